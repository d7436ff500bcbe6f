import { join } from 'node:path';

import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { Services } from './harness/services.js';
import { smallPhantom } from './harness/studies.js';

const { Kafka, logLevel } = kafkajs;

const [settled, onItsWay, after] = ['settled', 'on-its-way', 'after'].map((name) =>
  smallPhantom({ uidSalt: `kafka-lost-${name}` }),
) as [ReturnType<typeof smallPhantom>, ReturnType<typeof smallPhantom>, ReturnType<typeof smallPhantom>];
/** What handles facts of studies; it is down while `onItsWay` comes in. */
const late = ['inference-orchestrator', 'result-publisher', 'identity-mapping'];

/** The drill of docs/runbooks/disaster.md for Kafka: services as processes of their own. */
describe('Kafka that lost all its data', () => {
  let services: Services;
  const count = (from: string): Promise<number> => services.count(from);

  beforeAll(async () => {
    services = await Services.start('kafka-lost');
  });
  afterAll(() => services?.end());

  const announce = (...args: readonly string[]): Promise<Finished> =>
    run(process.execPath, [join(root, 'apps/all-in-one/dist/announce.js'), ...args], {
      timeoutMs: 120_000,
      env: services.cluster.maintenanceEnv(),
    });

  async function loseEverything(): Promise<number> {
    const admin = new Kafka({ brokers: [...services.cluster.kafka.brokers], logLevel: logLevel.NOTHING }).admin();
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
    await services.send(settled);
    await waitForReport(services.fhir, settled.studyInstanceUid);

    // A study whose facts only Kafka has, handled by nobody.
    await services.stop('lung-ct', ...late);
    await services.send(onItsWay);
    await eventually('it is complete, and Kafka has been told', 60_000, async () => {
      const where = `state = 'complete' and study_instance_uid = '${onItsWay.studyInstanceUid}'`;
      return (await count(`study_index.study where ${where}`)) === 1 && (await services.outboxesAreEmpty());
    });

    const early = await announce('--since', since);
    expect([early.code, early.stderr], 'while services run').toEqual([1, expect.stringContaining('stop the services')]);
    expect(await services.outboxesAreEmpty()).toBe(true);
    await services.stopAll();
    expect(await loseEverything()).toBeGreaterThan(5);

    const announced = await announce('--since', since);
    expect(announced.code, announced.stderr).toBe(0);
    expect(await count('study_index.outbox')).toBeGreaterThan(0);
    await services.startAll();
    await waitForReport(services.fhir, onItsWay.studyInstanceUid);
    await services.send(after);
    await waitForReport(services.fhir, after.studyInstanceUid);

    await eventually('no fact waits', 60_000, () => services.outboxesAreEmpty());
    await eventually('no job waits', 60_000, () => services.noJobWaits());
    for (const study of [settled, onItsWay, after]) {
      expect(await reportsOf(services.fhir, study.studyInstanceUid), study.studyInstanceUid).toHaveLength(1);
      expect(await imagingStudyOf(services.fhir, study.studyInstanceUid)).toBeDefined();
    }
    expect(await count('inference_orchestrator.job')).toBe(3);
    for (const { schema } of services.cluster.services) expect(await count(`${schema}.parked`), schema).toBe(0);
  }, 600_000);
});
