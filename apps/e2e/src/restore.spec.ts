import { freePort, orSkip, type Ran, Runbook } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { Services } from './harness/services.js';
import { instancesOf, smallPhantom } from './harness/studies.js';

const [settled, between, after] = ['settled', 'between', 'after'].map((name) =>
  smallPhantom({ uidSalt: `drill-${name}` }),
);
const studies = [settled, between, after].flatMap((study) => study ?? []);
const runbooks = await orSkip(() => Runbook.open('back-up', 'restore'));
/** What handles facts of studies; it is down while `between` comes in. */
const late = ['inference-orchestrator', 'result-publisher', 'identity-mapping'];

/**
 * The drill of docs/runbooks/restore.md, with its commands: services as processes of their own, PostgreSQL restored from a
 * back-up that is older than the bucket and than the positions in Kafka.
 */
describe.skipIf(runbooks.missing)('PostgreSQL restored from a back-up that is older than S3 and Kafka', () => {
  let services: Services;
  let studyIndex: string;
  const count = (from: string, values: readonly unknown[] = []): Promise<number> => services.count(from, values);

  beforeAll(async () => {
    studyIndex = `127.0.0.1:${await freePort()}`;
    services = await Services.start('restore', (name) => ({
      CALLOSUM_STUDY_INDEX_GRPC: studyIndex,
      ...(name === 'study-index' ? { CALLOSUM_INTERNAL_GRPC: studyIndex } : {}),
    }));
  });
  afterAll(async () => {
    backUp.close();
    await services?.end();
  });

  const considered = (uid: string): Promise<number> =>
    count('inference_orchestrator.study where study_instance_uid = $1', [uid]);

  const [backUp, restore] = runbooks.server as [Runbook, Runbook];
  /** What a person has set who follows the page. */
  const environment = (): NodeJS.ProcessEnv => {
    const { host, port, user, password, database } = services.cluster.postgres.admin;
    return {
      CALLOSUM_PSQL: `postgresql://${user}@${host}:${port}/${database}`,
      PGPASSWORD: password,
      CALLOSUM_STUDY_INDEX_GRPC: studyIndex,
      CALLOSUM_EVENT_LOG: 'kafka',
      CALLOSUM_KAFKA_BROKERS: services.cluster.kafka.brokers.join(','),
    };
  };
  const rewind = (to: string): Promise<Ran> =>
    restore.run('node apps/all-in-one/dist/rewind.js', environment(), (text) => text.replace(/--to \S+/, `--to ${to}`));
  /** At once: the page's own waits until what was just stored counts as settled. */
  const reindex = (): Promise<Ran> =>
    restore.run('npx callosum reindex', environment(), (text) => `${text} --settled 0`);

  it('has every acknowledged object, lets no study stand still, and doubles no report', async () => {
    const [first, second, third] = studies as [(typeof studies)[0], (typeof studies)[0], (typeof studies)[0]];
    await services.send(first);
    await waitForReport(services.fhir, first.studyInstanceUid);

    // A study whose facts are in Kafka and handled by nobody at the moment of the back-up.
    await services.stop('lung-ct', ...late);
    await services.send(second);
    await eventually('it is complete, and Kafka has been told', 60_000, async () => {
      const complete = await count("study_index.study where state = 'complete' and study_instance_uid = $1", [
        second.studyInstanceUid,
      ]);
      return complete === 1 && (await count('study_index.outbox')) === 0;
    });
    // An hour before: what was appended and not handled yet when the back-up was made must be among it.
    const to = new Date(Date.now() - 3_600_000).toISOString();
    for (const beginning of ['pg_dump', 'pg_restore']) expectDone(await backUp.run(beginning, environment()));

    await services.start(...late);
    await waitForReport(services.fhir, second.studyInstanceUid);
    await services.send(third);
    await waitForReport(services.fhir, third.studyInstanceUid);
    const acknowledged = await count("archive.intake where origin <> 'callosum'");

    await services.stopAll();
    for (const beginning of ['pg_restore --file', 'psql', 'pg_restore --exit-on-error'])
      expectDone(await restore.run(beginning, environment()));
    expect(await count("archive.intake where origin <> 'callosum'")).toBeLessThan(acknowledged);
    expect(await considered(second.studyInstanceUid)).toBe(0);

    const rewound = await rewind(to);
    expectDone(rewound);
    expect(rewound.stderr + rewound.stdout).toContain('group.rewound');
    await services.cluster.migrate();
    await services.startAll();
    const refused = await rewind(to);
    expect(refused.code, 'while services run').toBe(1);
    const reindexed = await reindex();
    expect([reindexed.code, reindexed.stderr]).toEqual([0, '']);
    expect(reindexed.stdout).toMatch(/blobs compared with the ledger, \d+ recovered/);

    for (const study of studies) {
      await waitForReport(services.fhir, study.studyInstanceUid, 180_000);
      const found = (await instancesOf(services.cluster.addresses.http('dicomweb'), study.studyInstanceUid)).map(
        ({ sopInstanceUid }) => sopInstanceUid,
      );
      expect(found).toEqual(expect.arrayContaining(study.instances.map(({ sopInstanceUid }) => sopInstanceUid)));
    }
    expect(await count("archive.intake where current and origin <> 'callosum'")).toBe(acknowledged);
    expect(
      await count(
        'archive.intake i where current and not exists (select from study_index.instance s where s.sop_instance_uid = i.sop_instance_uid)',
      ),
    ).toBe(0);
    await eventually('no job waits', 120_000, () => services.noJobWaits());
    await eventually('no fact waits', 60_000, () => services.outboxesAreEmpty());
    for (const study of studies) {
      expect(await reportsOf(services.fhir, study.studyInstanceUid), study.studyInstanceUid).toHaveLength(1);
      expect(await imagingStudyOf(services.fhir, study.studyInstanceUid)).toBeDefined();
    }
    for (const { schema } of services.cluster.services)
      expect(await services.query(`select topic, error_code from ${schema}.parked`), schema).toEqual([]);

    const again = await reindex();
    expect(again.stdout).not.toContain('recovered');
  }, 900_000);
});

function expectDone({ code, stderr }: Ran): void {
  expect(code, stderr).toBe(0);
}
