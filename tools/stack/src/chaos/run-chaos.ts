import { setTimeout as sleep } from 'node:timers/promises';

import { Cluster } from '../cluster/cluster.js';
import { BrokerFaults, type LeaderCounts } from './broker-faults.js';
import { describeFault, type FaultCounts, planFaults } from './fault-plan.js';
import { inflict } from './inflict.js';
import { judge } from './judge.js';
import { LogFaults } from './log-faults.js';
import { planStudies } from './planned-study.js';
import { between, randomOf } from './random.js';
import { Sender, type SendCounts } from './send.js';
import { SmallDisk } from './small-disk.js';
import { type ProcessCounts, Supervisor } from './supervisor.js';
import { Traffic } from './traffic.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly faults: FaultCounts;
  /** Three replicate, as in production; leaders move on them. */
  readonly brokers: 1 | 3;
  /** Studies a second while faults happen. */
  readonly studiesPerSecond: number;
  /** How long what waits may take to come, once everything runs again. */
  readonly patienceMs: number;
  /** Logs of every process. */
  readonly dataDir: string;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  /** What was promised and does not hold; empty is what we want. */
  readonly findings: readonly string[];
  readonly figures: {
    readonly studies: number;
    readonly acknowledgedInstances: number;
    readonly faults: Readonly<Record<string, number>>;
    /** On three brokers. */
    readonly leaders?: LeaderCounts;
    readonly processes: ProcessCounts;
    readonly sending: SendCounts;
    readonly duplicatedFacts: number;
    readonly poisonEvents: number;
    readonly distinctFacts: number;
    readonly trafficMs: number;
    readonly settledMs: number;
  };
  /** Faults that this machine does not allow, and why. */
  readonly leftOut: readonly string[];
}

const modalities = 4;
/** Faults follow each other this closely: often before the last one's process is back. */
const pauseMsMin = 300;
const pauseMsMax = 2_500;
/** Traffic before the first fault, so that it meets work in every service. */
const warmUpMs = 4_000;
const workerScript = 'tools/stack/dist/chaos/mean-hu-worker.js';
const workers = new Map([
  ['worker-1', workerScript],
  ['worker-2', workerScript],
]);

/**
 * Services, workers and servers as processes of their own, studies coming in all the time, and faults in the seeded
 * order. In the end every promise made to a sender is held against what services and sinks hold.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, say, dataDir } = options;
  const disk = options.faults.fullDisks > 0 ? SmallDisk.mount() : undefined;
  const leftOut: string[] = [];
  let counts = options.faults;
  if (counts.fullDisks > 0 && !disk) {
    leftOut.push('full disk: mounting a small file system needs root');
    counts = { ...counts, fullDisks: 0 };
  }
  if (options.brokers === 1) counts = { ...counts, leaderMoves: 0 };
  const env = { CALLOSUM_QUIET_PERIOD_MS: '2000' };
  const cluster = await Cluster.create({
    dataDir,
    env,
    brokers: options.brokers,
    ...(disk ? { s3Dir: disk.dir } : {}),
  });
  const supervisor = new Supervisor(cluster);
  try {
    await supervisor.start(workers);
    say(`${supervisor.names.length} processes run; logs in ${dataDir}`);
    return await underLoad({ ...options, faults: counts }, { cluster, supervisor, disk }, leftOut);
  } finally {
    await supervisor.stop();
    await cluster.stopServers();
    disk?.unmount();
    say(`seed ${seed}`);
  }
}

async function underLoad(
  { seed, faults, studiesPerSecond, patienceMs, say }: ChaosOptions,
  field: { cluster: Cluster; supervisor: Supervisor; disk: SmallDisk | undefined },
  leftOut: readonly string[],
): Promise<ChaosReport> {
  const { cluster, supervisor } = field;
  // Each its own stream of numbers: the plan of faults does not depend on how many studies were sent.
  const [forFaults, forStudies, forLog, forPauses] = [0, 1, 2, 3].map((i) => randomOf(seed * 4 + i));
  if (!forFaults || !forStudies || !forLog || !forPauses) throw new RangeError('four streams');
  const log = await LogFaults.open(cluster.kafka.brokers, forLog);
  const brokers = cluster.kafkaCluster && (await BrokerFaults.open(cluster.kafkaCluster));
  const giveUp = new AbortController();
  const sender = new Sender(cluster.addresses, giveUp.signal);
  const traffic = new Traffic(sender, planStudies(forStudies, String(seed)), forStudies, studiesPerSecond);
  const started = Date.now();
  traffic.start(modalities);
  await sleep(warmUpMs);
  const plan = planFaults(forFaults, supervisor.names, faults);
  for (const [index, fault] of plan.entries()) {
    say(`${elapsed(started)}  ${index + 1}/${plan.length}  ${describeFault(fault)}`);
    await inflict(fault, { ...field, log, brokers });
    await sleep(between(forPauses, pauseMsMin, pauseMsMax));
  }
  await supervisor.allReady();
  say(`${elapsed(started)}  faults are over; what was begun is sent to its end`);
  const late = setTimeout(() => giveUp.abort(), patienceMs);
  await traffic.stop();
  clearTimeout(late);
  const trafficMs = Date.now() - started;
  const promised = { acknowledged: sender.acknowledged, studies: traffic.sent, poison: log.poison };
  const { findings, settledMs } = await judge(cluster, promised, patienceMs);
  await Promise.all([log.close(), brokers?.close()]);
  return {
    seed,
    findings: [...findingsOfRun(giveUp.signal, log, brokers), ...findings],
    leftOut,
    figures: {
      studies: traffic.sent.length,
      acknowledgedInstances: sender.acknowledged.size,
      faults: countKinds(plan.map(({ kind }) => kind)),
      ...(brokers ? { leaders: brokers.counts } : {}),
      processes: supervisor.counts,
      sending: sender.counts,
      duplicatedFacts: log.duplicated,
      poisonEvents: log.poison.length,
      distinctFacts: log.seen.size,
      trafficMs,
      settledMs,
    },
  };
}

/** What the run itself found, beside the judge. */
function findingsOfRun(givenUp: AbortSignal, log: LogFaults, brokers: BrokerFaults | undefined): string[] {
  const withoutEffect = brokers?.counts.withoutEffect ?? 0;
  return [
    ...(givenUp.aborted ? ['a study could not be sent to its end'] : []),
    ...(log.crash ? [`a reader of every topic stopped for good: ${log.crash.message}`] : []),
    ...(withoutEffect > 0 ? [`${withoutEffect} times no leader moved from a broker that was gone`] : []),
  ];
}

const elapsed = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1).padStart(7)} s`;

function countKinds(kinds: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
