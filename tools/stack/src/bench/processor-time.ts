import { readdirSync, readFileSync } from 'node:fs';

import type { Child } from '../cluster/process.js';

/** Clock ticks a second of /proc on every Linux Node runs on. */
const ticksPerSecond = 100;
const mebi = 1024 * 1024;

export interface ProcessorUse {
  /** Cores kept busy on average, user and system. */
  readonly cores: number;
  /** At the end, in MiB; of PostgreSQL, pages that its processes share are counted for each. */
  readonly residentMiB: number;
}

/** Servers are told by their command: PostgreSQL is a process for each connection. */
const servers: Readonly<Record<string, string>> = { java: 'Kafka', postgres: 'PostgreSQL', versitygw: 'S3' };

interface Process {
  readonly pid: number;
  readonly seconds: number;
  readonly residentBytes: number;
}

/**
 * Processor time of a cluster's processes from now on. Servers of the same kind that others run on this machine are
 * counted too: the bench wants the machine for itself anyway.
 */
export class ProcessorMeter {
  readonly #before: Map<number, number>;

  constructor(private readonly children: readonly Child[]) {
    this.#before = new Map([...this.#named()].flatMap(([, found]) => found.map(({ pid, seconds }) => [pid, seconds])));
  }

  /** By name of service, worker or server; `seconds` have passed. A process that ended meanwhile is not in it. */
  usage(seconds: number): Readonly<Record<string, ProcessorUse>> {
    const rounded = (value: number): number => Number(value.toFixed(2));
    return Object.fromEntries(
      [...this.#named()].map(([name, found]) => {
        const busy = found.reduce((sum, { pid, seconds: now }) => sum + now - (this.#before.get(pid) ?? 0), 0);
        const resident = found.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
        return [name, { cores: rounded(busy / seconds), residentMiB: Math.round(resident / mebi) }];
      }),
    );
  }

  #named(): Map<string, Process[]> {
    const found = Map.groupBy(
      this.children.flatMap(({ name, pid }) => {
        const one = readProcess(pid);
        return one ? [{ name, ...one }] : [];
      }),
      ({ name }) => name,
    ) as Map<string, Process[]>;
    for (const entry of readdirSync('/proc')) {
      const one = /^\d+$/.test(entry) ? readProcess(Number(entry)) : undefined;
      const name = one && servers[one.command];
      if (one && name) found.set(name, [...(found.get(name) ?? []), one]);
    }
    return found;
  }
}

/** proc(5), /proc/pid/stat and status; undefined when it is gone. */
function readProcess(pid: number): (Process & { readonly command: string }) | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name may hold anything, parentheses too: fields are counted after its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return {
      pid,
      command: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
      seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      residentBytes: Number(resident?.[1] ?? 0) * 1024,
    };
  } catch {
    return undefined;
  }
}
