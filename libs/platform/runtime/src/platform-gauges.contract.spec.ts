import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { topics } from '@callosum/contracts';
import { connect, type Database, migrate } from '@callosum/database';
import {
  type EventLog,
  eventTablesMigrations,
  operationsMigrations,
  operationsSet,
  PostgresEventLog,
} from '@callosum/event-log';
import { FileObjectStore } from '@callosum/object-store';
import { createLogger, reading, type Sampler, startTelemetry, type Telemetry } from '@callosum/telemetry';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ServiceDefinition } from './definition.js';
import { samplePlatformGauges } from './platform-gauges.js';
import { preparePlatform } from './prepare-platform.js';

const postgres = await orSkip(startPostgres);
const service = { name: 'study-index', schema: 'study_index', usesArchive: true };

describe.skipIf(postgres.missing)(`gauges${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let telemetry: Telemetry;
  let database: Database<never>;
  let folder: string;
  let sampler: Sampler;
  /** As the log answers, or does not. */
  let lag: EventLog['lag'];
  let unknownBlobs: number | undefined;
  const metricsServer = createServer((request, response) => telemetry.handleMetrics(request, response));

  beforeAll(async () => {
    telemetry = startTelemetry({ serviceName: 'callosum', serviceVersion: '0', site: 'default' });
    await new Promise<void>((resolve) => metricsServer.listen(0, '127.0.0.1', resolve));
    folder = await mkdtemp(join(tmpdir(), 'callosum-gauges-'));
    const admin = await (postgres.server as TestPostgres).createDatabase();
    const definitions = [service as unknown as ServiceDefinition];
    await preparePlatform({ admin, definitions, passwordOf: () => 'secret', eventLogInPostgres: true });
    database = connect<never>({ ...admin, user: service.schema, password: 'secret' }, service.schema, () => undefined);
    await migrate(database.db, service.schema, eventTablesMigrations);
    await migrate(database.db, service.schema, operationsMigrations, { set: operationsSet });
    const log = new PostgresEventLog({ db: database.db, onError: () => undefined });
    lag = (group) => log.lag(group);
    sampler = samplePlatformGauges({
      ...service,
      service: service.name,
      db: database.db,
      log: { lag: (group: string) => lag(group) } as EventLog,
      objectStore: new FileObjectStore({ root: folder, diskFreeBytesMin: 0 }),
      logger: createLogger('test', 'silent'),
      unknownBlobs: () => unknownBlobs,
      outboxRowsMax: 5,
      own: () => Promise.resolve([reading('callosum.quarantine.studies', 3, {})]),
    });
  });
  afterAll(async () => {
    sampler.close();
    await telemetry.shutdown();
    metricsServer.close();
    await database.close().catch(() => undefined);
    await postgres.server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Values by metric and labels, as Prometheus reads them. */
  async function scrape(): Promise<Map<string, number>> {
    const text = await (await fetch(`http://127.0.0.1:${(metricsServer.address() as AddressInfo).port}`)).text();
    const values = new Map<string, number>();
    for (const line of text.split('\n')) {
      const [, name, labels = '', value] = /^(callosum_\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      const own = labels.split(',').filter((label) => label.startsWith('callosum_'));
      if (name) values.set([name, ...own].join(' '), Number(value));
    }
    return values;
  }

  const lagSeries = 'callosum_consumer_lag callosum_group="study-index" callosum_topic="imaging.instance.stored.v1"';
  const columns = sql.raw('topic, key, event_id, type, source, time, site, correlation_id, value');
  const row = (id: string, ageSeconds: number) =>
    sql`${topics.instanceStored.name}, '1.2.3', ${id}, 't', 's', now() - make_interval(secs => ${ageSeconds}), 'default', 'c', '{}'`;

  it('say what waits in outboxes, lies parked, is behind the group, and is free on the disk', async () => {
    const { db } = database;
    await sql`insert into study_index.outbox (${columns}) values (${row('a', 100)}), (${row('b', 10)})`.execute(db);
    await sql`insert into archive.outbox (${columns}) values (${row('c', 50)})`.execute(db);
    await sql`insert into study_index.parked (consumer_group, parked_at, ${columns})
      values ('study-index', now() - interval '1 hour', ${row('d', 5000)}), ('study-index', now(), ${row('e', 1)})`.execute(
      db,
    );
    // Another key, tried again by itself with the one behind it: nothing for a person.
    const waiting = (id: string) =>
      sql`${topics.instanceStored.name}, '1.2.4', ${id}, 't', 's', now(), 'default', 'c', '{}'`;
    await sql`insert into study_index.parked (consumer_group, retry_at, ${columns})
      values ('study-index', now(), ${waiting('w')}), ('study-index', null, ${waiting('x')})`.execute(db);
    for (const id of ['f', 'g', 'h'])
      await sql`insert into event_log.events (partition, ${columns}) values (0, ${row(id, 1)})`.execute(db);
    await sql`insert into event_log.cursors (consumer_group, topic, partition, xid, position)
      select 'study-index', topic, 0, xid, position from event_log.events order by xid, position limit 1`.execute(db);
    await sampler.sample();

    const values = await scrape();
    expect(values.get('callosum_outbox_rows callosum_schema="study_index"')).toBe(2);
    expect(values.get('callosum_outbox_rows callosum_schema="archive"')).toBe(1);
    expect(values.get('callosum_outbox_oldest_age callosum_schema="study_index"')).toBeCloseTo(100, -1);
    expect(values.get('callosum_outbox_oldest_age callosum_schema="archive"')).toBeCloseTo(50, -1);
    expect(values.get('callosum_parked_events callosum_group="study-index"')).toBe(4);
    expect(values.get('callosum_parked_for_person callosum_group="study-index"')).toBe(2);
    expect(values.get('callosum_parked_oldest_age callosum_group="study-index"')).toBeCloseTo(3600, -2);
    expect(values.get(lagSeries)).toBe(2);
    expect(values.get('callosum_disk_free')).toBeGreaterThan(0);
    expect(values.get('callosum_quarantine_studies')).toBe(3);
  });

  it('say how many blobs no row knows where they were swept, and nothing where another replica sweeps', async () => {
    expect((await scrape()).has('callosum_archive_unknown_blobs')).toBe(false);
    unknownBlobs = 2;
    await sampler.sample();
    expect((await scrape()).get('callosum_archive_unknown_blobs')).toBe(2);
    unknownBlobs = undefined;
    await sampler.sample();
    expect((await scrape()).get('callosum_archive_unknown_blobs')).toBeNaN();
  });

  it('count an outbox up to what it may hold, and say how much that is', async () => {
    const ids = ['j', 'k', 'l', 'm', 'n', 'o'];
    for (const id of ids)
      await sql`insert into archive.outbox (${columns}) values (${row(id, 1)})`.execute(database.db);
    await sampler.sample();
    const values = await scrape();
    expect(values.get('callosum_outbox_rows_max callosum_schema="archive"')).toBe(5);
    expect(values.get('callosum_outbox_rows callosum_schema="archive"')).toBe(5);
    await sql`delete from archive.outbox where event_id = any(${ids})`.execute(database.db);
  });

  it('go on being read while the event log is away, which hides its lag alone', async () => {
    const answering = lag;
    lag = () => Promise.reject(new Error('no broker answers'));
    await sql`insert into study_index.outbox (${columns}) values (${row('i', 200)})`.execute(database.db);
    await sampler.sample();
    const values = await scrape();
    expect(values.get(lagSeries)).toBeNaN();
    expect(values.get('callosum_outbox_rows callosum_schema="study_index"')).toBe(3);
    expect(values.get('callosum_outbox_oldest_age callosum_schema="study_index"')).toBeCloseTo(200, -1);
    expect(values.get('callosum_outbox_rows callosum_schema="archive"')).toBe(1);
    expect(values.get('callosum_parked_events callosum_group="study-index"')).toBe(4);
    expect(values.get('callosum_disk_free')).toBeGreaterThan(0);
    expect(values.get('callosum_quarantine_studies')).toBe(3);
    lag = answering;
    await sampler.sample();
    expect((await scrape()).get(lagSeries)).toBe(2);
  });

  it('read 0 again once nothing waits, and are NaN while the database is away, which hides its rows alone', async () => {
    await sql`delete from study_index.outbox`.execute(database.db);
    await sql`delete from study_index.parked`.execute(database.db);
    await sampler.sample();
    const calm = await scrape();
    expect(calm.get('callosum_outbox_rows callosum_schema="study_index"')).toBe(0);
    expect(calm.get('callosum_outbox_oldest_age callosum_schema="study_index"')).toBe(0);
    expect(calm.get('callosum_parked_events callosum_group="study-index"')).toBe(0);
    expect(calm.get('callosum_parked_for_person callosum_group="study-index"')).toBe(0);
    await database.close();
    lag = () => Promise.resolve([{ topic: topics.instanceStored.name, partition: 0, events: 7 }]);
    await sampler.sample();
    const away = await scrape();
    const unknown = [...away].filter(([name]) => /outbox|parked/.test(name));
    expect(unknown.length).toBe(9);
    for (const [name, value] of unknown) expect(value, name).toBeNaN();
    expect(away.get(lagSeries)).toBe(7);
    expect(away.get('callosum_disk_free')).toBeGreaterThan(0);
    expect(away.get('callosum_quarantine_studies')).toBe(3);
  });
});
