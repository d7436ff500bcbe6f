import { Cluster } from '@callosum/stack';
import { freePort, orSkip, type Ran, Runbook } from '@callosum/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { newFolder } from './harness/paths.js';
import { instancesOf, send, smallPhantom } from './harness/studies.js';

type Child = ReturnType<Cluster['start']>;

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
  let cluster: Cluster;
  let studyIndex: string;
  const running = new Map<string, Child>();

  beforeAll(async () => {
    process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
    process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
    studyIndex = `127.0.0.1:${await freePort()}`;
    cluster = await Cluster.create({ dataDir: newFolder('restore'), env: { CALLOSUM_QUIET_PERIOD_MS: '2000' } });
    await start(...cluster.services.map(({ name }) => name));
  });
  afterAll(async () => {
    backUp.close();
    await stop(...running.keys());
    await cluster?.stopServers();
  });

  async function start(...names: readonly string[]): Promise<void> {
    const own: NodeJS.ProcessEnv = { CALLOSUM_STUDY_INDEX_GRPC: studyIndex };
    for (const name of names) {
      const env = name === 'study-index' ? { ...own, CALLOSUM_INTERNAL_GRPC: studyIndex } : own;
      running.set(name, cluster.start(name, { env }));
    }
    await Promise.all(names.map((name) => cluster.ready(running.get(name) as Child)));
    if (names.includes('inference-orchestrator'))
      running.set('lung-ct', cluster.startWorker('lung-ct', 'examples/lung-ct/dist/main.js'));
  }
  async function stop(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => running.get(name)?.stop()));
    for (const name of names) running.delete(name);
  }

  const fhir = (): string => cluster.addresses.http('fhir-gateway');
  async function query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { host, port, user, password, database } = cluster.postgres.admin;
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    try {
      return (await client.query<Row>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  }
  const count = async (from: string, values: readonly unknown[] = []): Promise<number> =>
    Number((await query<{ count: string }>(`select count(*) as count from ${from}`, values))[0]?.count);
  const considered = (uid: string): Promise<number> =>
    count('inference_orchestrator.study where study_instance_uid = $1', [uid]);
  const sent = (study: (typeof studies)[number]): Promise<void> =>
    send({ dimsePort: cluster.addresses.dimsePort }, study);

  const [backUp, restore] = runbooks.server as [Runbook, Runbook];
  /** What a person has set who follows the page. */
  const environment = (): NodeJS.ProcessEnv => {
    const { host, port, user, password, database } = cluster.postgres.admin;
    return {
      CALLOSUM_PSQL: `postgresql://${user}@${host}:${port}/${database}`,
      PGPASSWORD: password,
      CALLOSUM_STUDY_INDEX_GRPC: studyIndex,
      CALLOSUM_EVENT_LOG: 'kafka',
      CALLOSUM_KAFKA_BROKERS: cluster.kafka.brokers.join(','),
    };
  };
  const rewind = (to: string): Promise<Ran> =>
    restore.run('node apps/all-in-one/dist/rewind.js', environment(), (text) => text.replace(/--to \S+/, `--to ${to}`));
  /** At once: the page's own waits until what was just stored counts as settled. */
  const reindex = (): Promise<Ran> =>
    restore.run('npx callosum reindex', environment(), (text) => `${text} --settled 0`);

  it('has every acknowledged object, lets no study stand still, and doubles no report', async () => {
    const [first, second, third] = studies as [(typeof studies)[0], (typeof studies)[0], (typeof studies)[0]];
    await sent(first);
    await waitForReport(fhir(), first.studyInstanceUid);

    // A study whose facts are in Kafka and handled by nobody at the moment of the back-up.
    await stop('lung-ct', ...late);
    await sent(second);
    await eventually('it is complete, and Kafka has been told', 60_000, async () => {
      const complete = await count("study_index.study where state = 'complete' and study_instance_uid = $1", [
        second.studyInstanceUid,
      ]);
      return complete === 1 && (await count('study_index.outbox')) === 0;
    });
    // An hour before: what was appended and not handled yet when the back-up was made must be among it.
    const to = new Date(Date.now() - 3_600_000).toISOString();
    for (const beginning of ['pg_dump', 'pg_restore']) expectDone(await backUp.run(beginning, environment()));

    await start(...late);
    await waitForReport(fhir(), second.studyInstanceUid);
    await sent(third);
    await waitForReport(fhir(), third.studyInstanceUid);
    const acknowledged = await count("archive.intake where origin <> 'callosum'");

    await stop(...running.keys());
    for (const beginning of ['pg_restore --file', 'psql', 'pg_restore --exit-on-error'])
      expectDone(await restore.run(beginning, environment()));
    expect(await count("archive.intake where origin <> 'callosum'")).toBeLessThan(acknowledged);
    expect(await considered(second.studyInstanceUid)).toBe(0);

    const rewound = await rewind(to);
    expectDone(rewound);
    expect(rewound.stderr + rewound.stdout).toContain('group.rewound');
    await cluster.migrate();
    await start(...cluster.services.map(({ name }) => name));
    const refused = await rewind(to);
    expect(refused.code, 'while services run').toBe(1);
    const reindexed = await reindex();
    expect([reindexed.code, reindexed.stderr]).toEqual([0, '']);
    expect(reindexed.stdout).toMatch(/blobs compared with the ledger, \d+ recovered/);

    for (const study of studies) {
      await waitForReport(fhir(), study.studyInstanceUid, 180_000);
      const found = (await instancesOf(cluster.addresses.http('dicomweb'), study.studyInstanceUid)).map(
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
    const jobs = "inference_orchestrator.job where state in ('queued', 'running')";
    await eventually('no job waits', 120_000, async () => (await count(jobs)) === 0);
    const outboxes = ['archive', ...cluster.services.map(({ schema }) => schema)];
    await eventually('no fact waits', 60_000, async () => {
      const waiting = await Promise.all(outboxes.map((schema) => count(`${schema}.outbox`)));
      return waiting.every((rows) => rows === 0);
    });
    for (const study of studies) {
      expect(await reportsOf(fhir(), study.studyInstanceUid), study.studyInstanceUid).toHaveLength(1);
      expect(await imagingStudyOf(fhir(), study.studyInstanceUid)).toBeDefined();
    }
    for (const { schema } of cluster.services)
      expect(await query(`select topic, error_code from ${schema}.parked`), schema).toEqual([]);

    const again = await reindex();
    expect(again.stdout).not.toContain('recovered');
  }, 900_000);
});

function expectDone({ code, stderr }: Ran): void {
  expect(code, stderr).toBe(0);
}
