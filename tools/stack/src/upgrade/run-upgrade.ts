import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { quantiles, type Quantiles } from '../bench/quantiles.js';
import { judge } from '../chaos/judge.js';
import { planStudies } from '../chaos/planned-study.js';
import { pick, type Random, randomOf } from '../chaos/random.js';
import { Sender, type SendCounts } from '../chaos/send.js';
import { Traffic } from '../chaos/traffic.js';
import { Cluster } from '../cluster/cluster.js';
import type { Child } from '../cluster/process.js';
import { type Build, buildOf, thisBuild, upgradeFrom } from './build.js';
import { Deployment } from './deployment.js';
import { type SlowCounts, SlowModality } from './slow-modality.js';

export interface UpgradeOptions {
  readonly seed: number;
  readonly studiesPerSecond: number;
  /** How long what waits may take to come, once everything is rolled back. */
  readonly patienceMs: number;
  /** Logs of every process. */
  readonly dataDir: string;
  readonly say: (line: string) => void;
}

export interface UpgradeReport {
  readonly seed: number;
  readonly from: { readonly ref: string; readonly commit: string };
  readonly to: { readonly commit: string };
  /** What was promised and does not hold; empty is what we want. */
  readonly findings: readonly string[];
  readonly figures: {
    readonly studies: number;
    readonly acknowledgedInstances: number;
    readonly replicasExchanged: number;
    /** From SIGTERM to the end of the process. */
    readonly drainMs: Quantiles;
    readonly sending: SendCounts;
    readonly slowAssociations: SlowCounts;
    readonly upgradeMs: number;
    readonly rollbackMs: number;
    readonly trafficMs: number;
    readonly settledMs: number;
  };
}

const replicas = 2;
const modalities = 4;
const probeEveryMs = 500;
/** Connections end here at once, where a cluster's nodes take a moment to hear of it: the chart waits 5 s. */
const preStopMs = 1_000;
/** Of each process; what closing may take after it is its own (`closingMsMax`). */
const drainGraceMs = 20_000;
const closingMs = 5_000;
/** Traffic before, between and after the two ways. */
const steadyMs = 10_000;
const workerScript = 'tools/stack/dist/chaos/mean-hu-worker.js';

/**
 * Studies come in while every service goes from an older version to this one and back, one replica at a time. In the end
 * every promise made to a sender is held against what services and sinks hold.
 */
export async function runUpgrade(options: UpgradeOptions): Promise<UpgradeReport> {
  const { seed, dataDir, say } = options;
  const [old, current] = [await buildOf(await upgradeFrom(), say), await thisBuild()];
  const env = { CALLOSUM_QUIET_PERIOD_MS: '2000', CALLOSUM_DRAIN_GRACE_MS: String(drainGraceMs) };
  const cluster = await Cluster.create({ dataDir, env, replicas: replicas + 1, prepared: false, probeEveryMs });
  const deployment = new Deployment(cluster, { replicas, preStopMs });
  const workers: Child[] = [];
  try {
    await cluster.migrate(old.root);
    await deployment.start(old);
    for (const build of [old, current]) workers.push(...startWorker(cluster, build));
    say(`${old.ref} runs, ${replicas} replicas of ${deployment.services.length} services; logs in ${dataDir}`);
    return await underLoad(options, { cluster, deployment, old, current });
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await deployment.stop();
    await cluster.stopServers();
    say(`seed ${seed}`);
  }
}

/** The worker measures, and makes no mask: the older version's may not know how. */
const perResult = { observations: 1, segmentations: 0, reports: 1 };

/** Vendors upgrade when they like: a worker of each version, where the older one has this worker. */
function startWorker(cluster: Cluster, { root, commit }: Build): Child[] {
  if (!existsSync(join(root, workerScript))) return [];
  return [cluster.startWorker(`worker-${commit.slice(0, 7)}`, workerScript, { root })];
}

interface Field {
  readonly cluster: Cluster;
  readonly deployment: Deployment;
  readonly old: Build;
  readonly current: Build;
}

async function underLoad(
  options: UpgradeOptions,
  { cluster, deployment, old, current }: Field,
): Promise<UpgradeReport> {
  const { seed, studiesPerSecond, patienceMs, say } = options;
  const [forOrder, forStudies, forSlow] = [0, 1, 2].map((i) => randomOf(seed * 4 + i));
  if (!forOrder || !forStudies || !forSlow) throw new RangeError('three streams');
  const giveUp = new AbortController();
  const sender = new Sender(cluster, giveUp.signal);
  const traffic = new Traffic(sender, planStudies(forStudies, String(seed)), forStudies, studiesPerSecond);
  const { dimsePort } = cluster.addresses;
  const slow = new SlowModality(dimsePort, sender, planStudies(forSlow, `${seed}-slow`), giveUp.signal);
  const started = Date.now();
  traffic.start(modalities);
  slow.start();
  await sleep(steadyMs);
  await cluster.migrate(current.root);
  say(`the database is migrated to ${current.commit}, ${old.ref} still runs`);
  const way = async (build: Build, services: readonly string[]): Promise<number> => {
    const began = Date.now();
    for (const service of services) {
      await deployment.roll(build, [service]);
      say(`${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s  ${service} is ${build.ref}`);
    }
    await sleep(steadyMs);
    return Date.now() - began;
  };
  const upgradeMs = await way(current, shuffled(forOrder, deployment.services));
  const rollbackMs = await way(old, shuffled(forOrder, deployment.services));
  const late = setTimeout(() => giveUp.abort(), patienceMs);
  await Promise.all([traffic.stop(), slow.stop()]);
  clearTimeout(late);
  const trafficMs = Date.now() - started;
  const studies = [...traffic.sent, ...slow.sent];
  const { findings, settledMs } = await judge(
    cluster,
    { perResult, acknowledged: sender.acknowledged, studies, poison: [] },
    patienceMs,
  );
  return {
    seed,
    from: { ref: old.ref, commit: old.commit },
    to: { commit: current.commit },
    findings: [...findingsOfRollout(deployment, slow.counts, giveUp.signal), ...findings],
    figures: {
      studies: studies.length,
      acknowledgedInstances: sender.acknowledged.size,
      replicasExchanged: deployment.drains.length,
      drainMs: quantiles(deployment.drains.map(({ ms }) => ms)),
      sending: sender.counts,
      slowAssociations: slow.counts,
      upgradeMs,
      rollbackMs,
      trafficMs,
      settledMs,
    },
  };
}

/** What a rollout itself promises: processes end when they are asked, in time and well, and cut nobody off. */
function findingsOfRollout({ ended, drains }: Deployment, { cut }: SlowCounts, givenUp: AbortSignal): string[] {
  return [
    ...ended,
    ...drains
      .filter(({ code, ms }) => code !== 0 || ms > drainGraceMs + closingMs)
      .map(({ service, code, ms }) => `${service} drained for ${ms} ms and ended with ${code ?? 'a kill'}`),
    ...(cut > 0 ? [`${cut} long associations were cut off`] : []),
    ...(givenUp.aborted ? ['a study could not be sent to its end'] : []),
  ];
}

function shuffled(random: Random, services: readonly string[]): string[] {
  const rest = [...services];
  return services.map(() => {
    const next = pick(random, rest);
    rest.splice(rest.indexOf(next), 1);
    return next;
  });
}
