import { setTimeout as sleep } from 'node:timers/promises';

import { Cluster } from '../cluster/cluster.js';
import { type LogRecord, readLog } from '../cluster/read-log.js';
import { BrokerFaults, type LeaderCounts } from './broker-faults.js';
import { describeFault, type Fault, type FaultCounts, planFaults } from './fault-plan.js';
import { inflict } from './inflict.js';
import { judge } from './judge.js';
import { LogFaults } from './log-faults.js';
import { anonymous, type Demographics, planStudies } from './planned-study.js';
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
  /** Whether everybody proves who they are meanwhile; clocks are wrong for tokens too then. */
  readonly auth: boolean;
  /** Studies a second while faults happen. */
  readonly studiesPerSecond: number;
  /** How long what waits may take to come, once everything runs again. */
  readonly patienceMs: number;
  /** Logs of every process. */
  readonly dataDir: string;
  /** Whom the studies and the events nobody can handle are of; nobody unless said otherwise. */
  readonly demographics?: Demographics;
  /** Shown everything while it still runs, once it is judged. */
  readonly inspect?: (ended: EndedRun) => Promise<void>;
  readonly say: (line: string) => void;
}

export interface EndedRun {
  readonly cluster: Cluster;
  /** Every record of Kafka. */
  readonly records: readonly LogRecord[];
  /** `ce_id` of the events nobody can handle. */
  readonly poison: readonly string[];
}

export interface ChaosReport {
  readonly seed: number;
  /** Whether everybody had to prove who they are. */
  readonly auth: boolean;
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
    /** Facts that stand in the log more than once under one `ce_id`, the duplicates of the run among them. */
    readonly repeatedFacts: number;
    /** Versions of reports written again because nobody heard the answer. */
    readonly repeatedVersions: number;
  };
  /** Faults that this machine does not allow, and why. */
  readonly leftOut: readonly LeftOut[];
}

export interface LeftOut {
  readonly kind: Fault['kind'];
  readonly because: string;
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

/** What that worker answers with, when it makes a mask. */
const perResult = { observations: 1, segmentations: 1, reports: 1 };

/**
 * Services, workers and servers as processes of their own, studies coming in all the time, and faults in the seeded
 * order. In the end every promise made to a sender is held against what services and sinks hold.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, say, dataDir } = options;
  const disk = options.faults.fullDisks > 0 ? SmallDisk.mount() : undefined;
  const leftOut: LeftOut[] = [];
  let counts = options.faults;
  if (counts.fullDisks > 0 && !disk) {
    leftOut.push({ kind: 'full-disk', because: 'mounting a small file system needs root' });
    counts = { ...counts, fullDisks: 0 };
  }
  if (options.brokers === 1) counts = { ...counts, leaderMoves: 0 };
  const env = { CALLOSUM_QUIET_PERIOD_MS: '2000' };
  const cluster = await Cluster.create({
    dataDir,
    env,
    brokers: options.brokers,
    auth: options.auth,
    ...(disk ? { s3Dir: disk.dir } : {}),
  });
  const supervisor = new Supervisor(cluster);
  try {
    await supervisor.start(workers, { vendor: 'Callosum', env: { CALLOSUM_MEAN_HU_MASK: 'true' } });
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
  { seed, auth, faults, studiesPerSecond, patienceMs, say, demographics = anonymous, inspect }: ChaosOptions,
  field: { cluster: Cluster; supervisor: Supervisor; disk: SmallDisk | undefined },
  leftOut: readonly LeftOut[],
): Promise<ChaosReport> {
  const { cluster, supervisor } = field;
  // Each its own stream of numbers: the plan of faults does not depend on how many studies were sent.
  const [forFaults, forStudies, forLog, forPauses] = [0, 1, 2, 3].map((i) => randomOf(seed * 4 + i));
  if (!forFaults || !forStudies || !forLog || !forPauses) throw new RangeError('four streams');
  const log = await LogFaults.open(cluster.kafka.brokers, forLog, demographics.name);
  const brokers = cluster.kafkaCluster && (await BrokerFaults.open(cluster.kafkaCluster));
  const giveUp = new AbortController();
  const sender = new Sender(cluster, giveUp.signal);
  const traffic = new Traffic(
    sender,
    planStudies(forStudies, String(seed), demographics),
    forStudies,
    studiesPerSecond,
  );
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
  const promised = { perResult, acknowledged: sender.acknowledged, studies: traffic.sent, poison: log.poison };
  const { findings, ...verdict } = await judge(cluster, promised, patienceMs);
  await Promise.all([log.close(), brokers?.close()]);
  if (inspect) await inspect({ cluster, records: await readLog(cluster.kafka.brokers), poison: log.poison });
  return {
    seed,
    auth,
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
      ...verdict,
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
