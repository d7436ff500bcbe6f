import { join } from 'node:path';

import { Cluster } from '@callosum/stack';
import { freePort } from '@callosum/testing';
import kafkajs from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { newFolder, root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { send, smallPhantom } from './harness/studies.js';

type Child = ReturnType<Cluster['start']>;
const { Kafka, logLevel } = kafkajs;

const [settled, onItsWay, after] = ['settled', 'on-its-way', 'after'].map((name) =>
  smallPhantom({ uidSalt: `kafka-lost-${name}` }),
) as [ReturnType<typeof smallPhantom>, ReturnType<typeof smallPhantom>, ReturnType<typeof smallPhantom>];
/** What handles facts of studies; it is down while `onItsWay` comes in. */
const late = ['inference-orchestrator', 'result-publisher', 'identity-mapping'];

/** The drill of docs/runbooks/disaster.md for Kafka: services as processes of their own. */
describe('Kafka that lost all its data', () => {
  let cluster: Cluster;
  const running = new Map<string, Child>();

  beforeAll(async () => {
    process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
    process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
    cluster = await Cluster.create({ dataDir: newFolder('kafka-lost'), env: { CALLOSUM_QUIET_PERIOD_MS: '2000' } });
    await start(...cluster.services.map(({ name }) => name));
  });
  afterAll(async () => {
    await stop(...running.keys());
    await cluster?.stopServers();
  });

  async function start(...names: readonly string[]): Promise<void> {
    for (const name of names) running.set(name, cluster.start(name));
    await Promise.all(names.map((name) => cluster.ready(running.get(name) as Child)));
    if (names.includes('inference-orchestrator'))
      running.set('lung-ct', cluster.startWorker('lung-ct', 'examples/lung-ct/dist/main.js'));
  }
  async function stop(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => running.get(name)?.stop()));
    for (const name of names) running.delete(name);
  }
  const fhir = (): string => cluster.addresses.http('fhir-gateway');
  const sent = (study: typeof settled): Promise<void> => send({ dimsePort: cluster.addresses.dimsePort }, study);

  async function count(from: string): Promise<number> {
    const { host, port, user, password, database } = cluster.postgres.admin;
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    try {
      return Number((await client.query<{ count: string }>(`select count(*) as count from ${from}`)).rows[0]?.count);
    } finally {
      await client.end();
    }
  }
  const announce = (...args: readonly string[]): Promise<Finished> =>
    run(process.execPath, [join(root, 'apps/all-in-one/dist/announce.js'), ...args], {
      timeoutMs: 120_000,
      env: cluster.maintenanceEnv(),
    });
  const schemas = (): string[] => ['archive', ...cluster.services.map(({ schema }) => schema)];
  async function outboxesAreEmpty(): Promise<boolean> {
    const waiting = await Promise.all(schemas().map((schema) => count(`${schema}.outbox`)));
    return waiting.every((rows) => rows === 0);
  }

  async function loseEverything(): Promise<number> {
    const admin = new Kafka({ brokers: [...cluster.kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
      await admin.deleteGroups(groups);
      const topics = (await admin.listTopics()).filter((topic) => !topic.startsWith('__'));
      await admin.deleteTopics({ topics });
      return topics.length;
    } finally {
      await admin.disconnect();
    }
  }

  it('is told again what it knew: the study on its way gets its report, nobody a second one', async () => {
    const since = new Date(Date.now() - 60_000).toISOString();
    await sent(settled);
    await waitForReport(fhir(), settled.studyInstanceUid);

    // A study whose facts only Kafka has, handled by nobody.
    await stop('lung-ct', ...late);
    await sent(onItsWay);
    await eventually('it is complete, and Kafka has been told', 60_000, async () => {
      const where = `state = 'complete' and study_instance_uid = '${onItsWay.studyInstanceUid}'`;
      return (await count(`study_index.study where ${where}`)) === 1 && (await outboxesAreEmpty());
    });

    const early = await announce('--since', since);
    expect([early.code, early.stderr], 'while services run').toEqual([1, expect.stringContaining('stop the services')]);
    expect(await outboxesAreEmpty()).toBe(true);
    await stop(...running.keys());
    expect(await loseEverything()).toBeGreaterThan(5);

    const announced = await announce('--since', since);
    expect(announced.code, announced.stderr).toBe(0);
    expect(await count('study_index.outbox')).toBeGreaterThan(0);
    await start(...cluster.services.map(({ name }) => name));
    await waitForReport(fhir(), onItsWay.studyInstanceUid);
    await sent(after);
    await waitForReport(fhir(), after.studyInstanceUid);

    await eventually('no fact waits', 60_000, outboxesAreEmpty);
    const jobs = "inference_orchestrator.job where state in ('queued', 'running')";
    await eventually('no job waits', 60_000, async () => (await count(jobs)) === 0);
    for (const study of [settled, onItsWay, after]) {
      expect(await reportsOf(fhir(), study.studyInstanceUid), study.studyInstanceUid).toHaveLength(1);
      expect(await imagingStudyOf(fhir(), study.studyInstanceUid)).toBeDefined();
    }
    expect(await count('inference_orchestrator.job')).toBe(3);
    for (const { schema } of cluster.services) expect(await count(`${schema}.parked`), schema).toBe(0);
  }, 600_000);
});
