import type { BrokerId } from '@callosum/testing';

import { between, pick, type Random } from './random.js';

export type Server = 'kafka' | 'postgres' | 's3';

/** Something that goes wrong, and for how long where it ends by itself. */
export type Fault =
  | { readonly kind: 'kill'; readonly process: string }
  | { readonly kind: 'outage'; readonly server: Server; readonly ms: number }
  /** A broker that leads partitions goes, by kill -9 or handing over first, and comes back after `ms`. */
  | { readonly kind: 'leader-move'; readonly broker: BrokerId; readonly clean: boolean; readonly ms: number }
  /** A slow consumer: alive, its leases and sessions running out. */
  | { readonly kind: 'freeze'; readonly process: string; readonly ms: number }
  /** Starts again with a wall clock that is off by `ms`. */
  | { readonly kind: 'clock-skew'; readonly process: string; readonly ms: number }
  /** Facts come again, keys mixed, each key in its order. */
  | { readonly kind: 'duplicates' }
  /** Events nobody can handle, under keys of their own. */
  | { readonly kind: 'poison' }
  | { readonly kind: 'full-disk'; readonly ms: number };

export interface FaultCounts {
  readonly kills: number;
  /** Of each server. */
  readonly outages: number;
  readonly outageMs: readonly [min: number, max: number];
  /** On three brokers only. */
  readonly leaderMoves: number;
  readonly freezes: number;
  readonly clockSkews: number;
  readonly duplicates: number;
  readonly poison: number;
  readonly fullDisks: number;
}

/** Longer than a lease of the log (15 s) and a publish lease: others take over meanwhile. */
const freezeMs = [5_000, 25_000] as const;
/** In turn: more than any lease, up to what tokens bear (ADR 58), two of which differ by twice that. */
const skewMs = [180_000, -180_000, 20_000, -20_000] as const;
/** Long enough for sessions of clients with that broker to end, and for its replicas to fall behind. */
const brokerAwayMs = [3_000, 10_000] as const;
const fullDiskMs = [8_000, 20_000] as const;
const servers: readonly Server[] = ['kafka', 'postgres', 's3'];

/**
 * Every process once in turn, then at random, up to the number of kills; the other faults strewn between them. The
 * same seed gives the same plan.
 */
export function planFaults(random: Random, processes: readonly string[], counts: FaultCounts): readonly Fault[] {
  const services = processes.filter((name) => !name.startsWith('worker'));
  const kills = Array.from({ length: counts.kills }, (_, i): Fault => ({
    kind: 'kill',
    process: processes[i] ?? pick(random, processes),
  }));
  const others: Fault[] = [
    ...servers.flatMap((server) =>
      times(counts.outages, (): Fault => ({ kind: 'outage', server, ms: between(random, ...counts.outageMs) })),
    ),
    ...times(counts.freezes, (): Fault => ({
      kind: 'freeze',
      process: pick(random, services),
      ms: between(random, ...freezeMs),
    })),
    ...times(counts.clockSkews, (i): Fault => ({
      kind: 'clock-skew',
      process: pick(random, services),
      ms: skewMs[i % skewMs.length] ?? 0,
    })),
    ...times(counts.duplicates, (): Fault => ({ kind: 'duplicates' })),
    ...times(counts.poison, (): Fault => ({ kind: 'poison' })),
    ...times(counts.fullDisks, (): Fault => ({ kind: 'full-disk', ms: between(random, ...fullDiskMs) })),
    ...times(counts.leaderMoves, (i): Fault => ({
      kind: 'leader-move',
      broker: pick<BrokerId>(random, [2, 3]),
      clean: i % 2 === 1,
      ms: between(random, ...brokerAwayMs),
    })),
  ];
  const plan: Fault[] = [...kills];
  for (const fault of others) plan.splice(between(random, 0, plan.length), 0, fault);
  return plan;
}

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** One line for people. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill -9 ${fault.process}`;
    case 'outage':
      return `${fault.server} stopped for ${fault.ms / 1000} s`;
    case 'leader-move':
      return `broker ${fault.broker} ${fault.clean ? 'stopped' : 'killed'} for ${fault.ms / 1000} s, its leaders move`;
    case 'freeze':
      return `${fault.process} frozen for ${fault.ms / 1000} s`;
    case 'clock-skew':
      return `${fault.process} killed and started with its clock off by ${fault.ms / 1000} s`;
    case 'duplicates':
      return 'facts appended again, keys mixed';
    case 'poison':
      return 'poison events';
    case 'full-disk':
      return `the disk of the object store full for ${fault.ms / 1000} s`;
  }
}
