import { readdirSync, readFileSync } from 'node:fs';

import { forgetPeak, peakOf } from '../peak-memory.js';

/** Clock ticks a second of /proc on every Linux Node runs on. */
const ticksPerSecond = 100;
/** A look at all processes takes milliseconds of the machine that is measured. */
const sampleEveryMs = 500;

export interface TreeUse {
  /** User and system, of the process and all it started, also of those that have ended and were waited for. */
  readonly processorSeconds: number;
  /** Resident at the beginning, and the most at any time: private pages of all processes, shared ones once. */
  readonly restMiB: number;
  readonly peakMiB: number;
}

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

/** Processor time and memory of processes with all they start, by name, from now until `stop`. */
export class TreeMeter {
  readonly #ticksBefore: Map<string, number>;
  readonly #rest: Map<string, number>;
  readonly #peak: Map<string, number>;
  readonly #timer: NodeJS.Timeout | undefined;

  /**
   * @param roots pids by name
   * @param isSampled whether the memory of several processes together is of interest: of one alone the kernel knows the peak
   */
  constructor(
    private readonly roots: Readonly<Record<string, number>>,
    isSampled = true,
  ) {
    for (const pid of Object.values(roots)) forgetPeak(pid);
    const trees = this.#trees();
    this.#ticksBefore = new Map([...trees].map(([name, tree]) => [name, ticksOf(tree)]));
    this.#rest = new Map([...trees].map(([name, tree]) => [name, residentMiBOf(tree)]));
    this.#peak = new Map(this.#rest);
    if (isSampled) this.#timer = setInterval(() => this.#sample(), sampleEveryMs).unref();
  }

  stop(): Record<string, TreeUse> {
    clearInterval(this.#timer);
    this.#sample();
    const use = [...this.#trees()].map(([name, tree]): [string, TreeUse] => {
      const peak = this.#peak.get(name) ?? 0;
      const [alone] = tree.length === 1 ? tree : [];
      return [
        name,
        {
          processorSeconds: (ticksOf(tree) - (this.#ticksBefore.get(name) ?? 0)) / ticksPerSecond,
          restMiB: Math.round(this.#rest.get(name) ?? 0),
          peakMiB: Math.round(Math.max(peak, alone ? peakOf(alone.pid) : 0)),
        },
      ];
    });
    return Object.fromEntries(use);
  }

  #sample(): void {
    for (const [name, tree] of this.#trees())
      this.#peak.set(name, Math.max(this.#peak.get(name) ?? 0, residentMiBOf(tree)));
  }

  #trees(): Map<string, ProcessStat[]> {
    const all = allProcesses();
    return new Map(Object.entries(this.roots).map(([name, pid]) => [name, treeOf(pid, all)]));
  }
}

/** The process and its descendants. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const children = Map.groupBy(all, ({ parent }) => parent);
  const found = all.filter(({ pid }) => pid === root);
  for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]?.pid ?? -1) ?? []));
  return found;
}

const ticksOf = (tree: readonly ProcessStat[]): number => tree.reduce((sum, { ticks }) => sum + ticks, 0);

function allProcesses(): ProcessStat[] {
  return readdirSync('/proc').flatMap((entry) => {
    const stat = /^\d+$/.test(entry) ? textOf(`/proc/${entry}/stat`) : undefined;
    return stat === undefined ? [] : [parseStat(stat)];
  });
}

/** proc(5), /proc/pid/stat; children that were waited for are in the times of their parent (fields 16 and 17). */
export function parseStat(stat: string): ProcessStat {
  // The command's name may hold anything, parentheses too: fields are counted after its end.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [parent = 0, ticks] = [fields[1], fields.slice(11, 15).reduce((sum, part) => sum + part, 0)];
  return { pid: Number.parseInt(stat, 10), parent, ticks };
}

function residentMiBOf(tree: readonly ProcessStat[]): number {
  const pages = tree.map(({ pid }) => {
    const status = textOf(`/proc/${pid}/status`) ?? '';
    const kiB = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
    return { own: kiB('RssAnon'), file: kiB('RssFile'), shared: kiB('RssShmem') };
  });
  const most = (values: readonly number[]): number => Math.max(0, ...values);
  const own = pages.reduce((sum, page) => sum + page.own, 0);
  return (own + most(pages.map(({ file }) => file)) + most(pages.map(({ shared }) => shared))) / 1024;
}

/** Undefined when the process is gone. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
