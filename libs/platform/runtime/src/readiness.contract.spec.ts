import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connect, type Database } from '@callosum/database';
import { orSkip, startKafka, startPostgres, type TestKafka, type TestPostgres } from '@callosum/testing';
import { Module } from '@nestjs/common';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { defineService } from './definition.js';
import { Drain } from './drain.js';
import { type RunningHttpServer, serveHttp } from './http-server.js';
import { preparePlatform } from './prepare-platform.js';
import { type RunningService, startService } from './start-service.js';
import { DATABASE } from './tokens.js';

@Module({})
class NothingModule {}

const definition = defineService({
  name: 'inference-orchestrator',
  settings: z.object({}),
  schema: 'inference_orchestrator',
  migrations: {},
  usesArchive: false,
  objectStore: 'needed',
  module: NothingModule,
  httpPrefixes: [],
});

let postgres: TestPostgres;
let admin: Database<never>;
let service: RunningService;
let http: RunningHttpServer;
let env: NodeJS.ProcessEnv;
let folder: string;
const objects = (): string => join(folder, 'objects');

beforeAll(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'callosum-readiness-'));
  const access = await postgres.createDatabase();
  await preparePlatform({
    admin: access,
    definitions: [definition],
    passwordOf: () => 'secret',
    eventLogInPostgres: true,
  });
  admin = connect<never>(access, 'public', () => undefined);
  env = {
    CALLOSUM_DATABASE_HOST: access.host,
    CALLOSUM_DATABASE_PORT: String(access.port),
    CALLOSUM_DATABASE_NAME: access.database,
    CALLOSUM_DATABASE_PASSWORD: 'secret',
    CALLOSUM_OBJECT_STORE_DIR: objects(),
    CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    CALLOSUM_INTERNAL_GRPC: '127.0.0.1:0',
    CALLOSUM_LOG_LEVEL: 'fatal',
  };
  service = await startService(definition, { ...env, CALLOSUM_EVENT_LOG: 'postgres' });
  http = await serve(service);
});

function serve(running: RunningService): Promise<RunningHttpServer> {
  return serveHttp({
    host: '127.0.0.1',
    port: 0,
    telemetry: { handleMetrics: (_request, response) => response.end(), shutdown: () => Promise.resolve() },
    publicUrl: 'https://callosum.example',
    authenticated: false,
    metrics: true,
    services: () => [running],
    started: () => true,
    drain: new Drain(1_000),
  });
}
afterAll(async () => {
  await http.close();
  await service.close();
  await admin.close();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

async function readyz(server = http): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${server.port}/readyz`);
  return { status: response.status, body: await response.json() };
}

const report = (status: string, changed: Record<string, unknown> = {}) => ({
  status,
  services: {
    'inference-orchestrator': {
      database: { state: 'ok', needed: true },
      eventLog: { state: 'ok', needed: false },
      objectStore: { state: 'ok', needed: true },
      service: { state: 'ok', needed: true },
      ...changed,
    },
  },
});

it('is ready while every dependency answers', async () => {
  expect(await readyz()).toEqual({ status: 200, body: report('ready') });
});

it('takes requests while the event log does not answer, says so, and comes back by itself', async () => {
  await sql`alter table event_log.members rename to members_away`.execute(admin.db);
  expect(await readyz()).toEqual({
    status: 200,
    body: report('degraded', { eventLog: { state: 'failing', needed: false } }),
  });
  await sql`alter table event_log.members_away rename to members`.execute(admin.db);
  expect(await readyz()).toEqual({ status: 200, body: report('ready') });
});

it('takes none while the object store that its doors need cannot be used', async () => {
  await rm(objects(), { recursive: true, force: true });
  await writeFile(objects(), 'not a folder');
  expect(await readyz()).toEqual({
    status: 503,
    body: report('not ready', { objectStore: { state: 'failing', needed: true } }),
  });
  await rm(objects());
  expect(await readyz()).toEqual({ status: 200, body: report('ready') });
});

it('takes requests while every connection of its pool is at work', async () => {
  const { pool } = service.app.get<Database<never>>(DATABASE);
  const busy = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  expect(await readyz()).toEqual({ status: 200, body: report('ready') });
  for (const client of busy) client.release();
});

it('takes none while the database refuses it', async () => {
  await sql`alter role inference_orchestrator nologin`.execute(admin.db);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'inference_orchestrator'`.execute(
    admin.db,
  );
  await expect.poll(async () => (await readyz()).status).toBe(503);
  expect((await readyz()).body).toMatchObject({
    status: 'not ready',
    services: { 'inference-orchestrator': { database: { state: 'failing' }, objectStore: { state: 'ok' } } },
  });
  await sql`alter role inference_orchestrator login`.execute(admin.db);
  await expect.poll(() => readyz(), { timeout: 10_000 }).toEqual({ status: 200, body: report('ready') });
});

describe('on Kafka', async () => {
  const { server: kafka, missing } = await orSkip<TestKafka>(startKafka);
  if (!kafka) {
    it.skip(missing, () => undefined);
    return;
  }
  let onKafka: RunningService;
  let server: RunningHttpServer;
  beforeAll(async () => {
    onKafka = await startService(definition, {
      ...env,
      CALLOSUM_EVENT_LOG: 'kafka',
      CALLOSUM_KAFKA_BROKERS: kafka.brokers.join(','),
      CALLOSUM_KAFKA_REPLICATION: '1',
      CALLOSUM_KAFKA_SMALL_SITE: 'true',
    });
    server = await serve(onKafka);
  });
  afterAll(async () => {
    await server?.close();
    await onKafka?.close();
    await kafka.stop();
  });

  it('no probe refuses a replica while the only broker is dead, and it is ready once that is back', async () => {
    expect(await readyz(server)).toEqual({ status: 200, body: report('ready') });
    const seen: { status: number; body: unknown }[] = [];
    const back = kafka.restart(8_000);
    let isBack = false;
    void back.then(() => (isBack = true));
    while (!isBack) seen.push(await readyz(server));
    await back;
    expect(new Set(seen.map(({ status }) => status))).toEqual(new Set([200]));
    expect(seen.map(({ body }) => (body as { status: string }).status)).toContain('degraded');
    await expect.poll(() => readyz(server), { timeout: 30_000 }).toEqual({ status: 200, body: report('ready') });
  }, 180_000);
});
