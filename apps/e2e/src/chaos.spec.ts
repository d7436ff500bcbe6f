import { setTimeout as sleep } from 'node:timers/promises';

import { topics } from '@callosum/contracts';
import { KafkaEventLog } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { type ChaosReport, type EndedRun, faultsOf, type LogRecord, readLog, runChaos } from '@callosum/stack';
import { freePort } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Collector, startCollector } from './harness/collector.js';
import { newFolder } from './harness/paths.js';
import { leaksOf, planted } from './harness/planted.js';
import { askForPatients } from './harness/planted-queries.js';
import { leakingRecords, type StackTold, toldByStack } from './harness/telling-stack.js';

const seed = Number(process.env['CALLOSUM_SEED'] ?? 20261126);
const kills = Number(process.env['CALLOSUM_KILLS'] ?? 10);
const outages = Number(process.env['CALLOSUM_OUTAGES'] ?? 1);
/** One broker here: three take a gigabyte more. `npm run test:long -- chaos` has three, and moves leaders. */
const brokers = process.env['CALLOSUM_BROKERS'] === '3' ? 3 : 1;
/** Everybody proves who they are, unless this is `false`. */
const auth = process.env['CALLOSUM_CHAOS_AUTH'] !== 'false';
/** Short ones here; `npm run test:long -- chaos` takes the servers away for 30 to 60 s. */
const outageMs = process.env['CALLOSUM_OUTAGE_MS']?.split('-').map(Number) ?? [5_000, 10_000];

const dataDir = newFolder('chaos');

/**
 * Services, workers, Kafka, PostgreSQL and S3 as processes of their own, studies coming in all the time. What a sender
 * was told is kept, whatever dies meanwhile.
 */
describe(`faults under load: ${kills} kills, each server away ${outages} times (CALLOSUM_SEED=${seed})`, () => {
  let report: ChaosReport;
  let collector: Collector;
  let told: StackTold;
  let ended: EndedRun;
  /** What requests that name a patient were answered. */
  let statuses: ReadonlySet<number>;
  /** Kafka once somebody has written a patient where no service of ours does. */
  let afterLeak: readonly LogRecord[];
  const leaked = newId();

  const inspect = async (run: EndedRun): Promise<void> => {
    ended = run;
    statuses = new Set(await askForPatients(run.cluster));
    // Spans leave within half a second of their end.
    await sleep(1_000);
    told = await toldByStack(dataDir, run, collector);
    await leakInto(run.cluster.kafka.brokers, leaked);
    afterLeak = await readLog(run.cluster.kafka.brokers);
  };

  beforeAll(async () => {
    collector = await startCollector();
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.endpoint;
    process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
    process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
    report = await runChaos({
      seed,
      faults: faultsOf(kills, outages, [outageMs[0] ?? 0, outageMs[1] ?? 0]),
      brokers,
      auth,
      studiesPerSecond: 1,
      patienceMs: 600_000,
      dataDir,
      demographics: planted,
      inspect,
      say: (line) => process.stdout.write(`${line}\n`),
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }, 7_200_000);
  afterAll(() => collector?.close());

  it('loses nothing, does nothing twice, and parks only what nobody can handle', () => {
    expect(report.findings).toEqual([]);
  });

  it('met work: studies came in, processes died, events nobody can handle were set aside', () => {
    const { figures } = report;
    expect(figures.studies).toBeGreaterThan(kills);
    expect(figures.processes.kills).toBeGreaterThanOrEqual(kills);
    expect(figures.faults['outage']).toBe(outages * 3);
    expect(figures.poisonEvents).toBeGreaterThan(0);
    expect(figures.duplicatedFacts).toBeGreaterThan(0);
  });

  it('moved leaders where brokers replicate, and each that came back led again', () => {
    if (brokers === 1) return expect(report.figures.leaders).toBeUndefined();
    expect(report.figures.faults['leader-move']).toBeGreaterThan(0);
    expect(report.figures.leaders?.moved).toBeGreaterThan(0);
    expect(report.figures.leaders?.returned).toBeGreaterThan(0);
  });

  it('tells those who run it nothing of the patients, whatever fails and whoever writes nonsense', () => {
    for (const [sink, pieces] of Object.entries(told) as [string, readonly string[]][]) {
      expect(pieces.length, sink).toBeGreaterThan(kills);
      expect(leaksOf(pieces), sink).toEqual([]);
    }
  });

  it('was asked for the patients everywhere, and refused what it should', () => {
    for (const status of [200, 400, 404, 415]) expect(statuses).toContain(status);
    if (auth) for (const status of [401, 403]) expect(statuses).toContain(status);
    expect([...statuses].filter((status) => status >= 500)).toEqual([]);
  });

  it('has nothing of the patients in any topic, but what somebody else wrote there and its copy for those who mend it', () => {
    const leaking = leakingRecords(ended.records);
    expect(new Set(leaking.map(({ eventId }) => eventId))).toEqual(new Set(ended.poison));
    const parkedBy = leaking.filter(({ topic }) => topic.endsWith('.dlq')).map(({ eventId }) => eventId);
    expect(new Set(parkedBy)).toEqual(new Set(ended.poison));
    const read = new Set(ended.records.map(({ topic }) => topic));
    for (const { name } of [topics.instanceStored, topics.studyLinked, topics.jobCompleted, topics.resultPublished])
      expect(read).toContain(name);
  });

  it('would have found a patient in a key and in a header too', () => {
    const found = leakingRecords(afterLeak).filter(({ topic }) => topic === topics.studyUpdated.name);
    const ids = new Set(found.map(({ eventId }) => eventId));
    for (const id of [`${leaked} key`, `${leaked} header`]) expect(ids).toContain(id);
  });

  it('tried every kind of fault, or says which this machine does not allow', () => {
    const kinds = ['kill', 'outage', 'freeze', 'clock-skew', 'duplicates', 'poison', 'full-disk'];
    if (brokers === 3) kinds.push('leader-move');
    const missing = kinds.filter((kind) => !((report.figures.faults[kind] ?? 0) > 0));
    expect(report.leftOut.map(({ kind }) => kind)).toEqual(missing);
    // Mounting the small disk needs root, which CI is.
    if (process.env['CI']) expect(missing).toEqual([]);
  });
});

/** Two events nobody can handle: one is keyed by a patient, one names a patient as its source. */
async function leakInto(brokers: readonly string[], id: string): Promise<void> {
  const log = new KafkaEventLog({ brokers, clientId: 'leak', onError: () => undefined });
  const { name: topic, type } = topics.studyUpdated;
  const event = { topic, type, time: new Date(), site: 'default', correlationId: newId(), value: 'not JSON' };
  try {
    await log.append([
      { ...event, id: `${id} key`, key: planted.patientId, source: '/leak' },
      { ...event, id: `${id} header`, key: planted.patientId.slice(0, 2), source: `/${planted.name}` },
    ]);
  } finally {
    await log.close();
  }
}
