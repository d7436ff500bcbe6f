import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DatabaseConfig } from '@callosum/database';
import { migrateSite, MissingPasswordError, type ServiceDefinition, startService } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import { orSkip, startPostgres, TcpProxy, TestAuthority, type TestPostgres } from '@callosum/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { services } from './services.js';

const postgres = await orSkip(startPostgres);
const quiet = createLogger('migrate-test', 'fatal');
const roles = ['archive', 'event_log', 'observer', ...services.map(({ schema }) => schema)];

describe.skipIf(postgres.missing)(`migrate${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let database: DatabaseConfig;
  let passwords: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const server = postgres.server as TestPostgres;
    database = await server.createDatabase();
    passwords = mkdtempSync(join(tmpdir(), 'callosum-passwords-'));
    for (const role of roles) writeFileSync(join(passwords, role), `${role}-1\n`);
    // As CloudNativePG and managed databases give it: it owns the database and may create roles, and is no superuser.
    await query(server.admin, "create role site_admin login createrole password 'admin'");
    await query(server.admin, `alter database ${database.database} owner to site_admin`);
    env = {
      CALLOSUM_DATABASE_HOST: database.host,
      CALLOSUM_DATABASE_PORT: String(database.port),
      CALLOSUM_DATABASE_NAME: database.database,
      CALLOSUM_DATABASE_ADMIN_USER: 'site_admin',
      CALLOSUM_DATABASE_ADMIN_PASSWORD: 'admin',
      CALLOSUM_DATABASE_PASSWORDS_DIR: passwords,
      CALLOSUM_MIGRATION_WAIT_MS: '20000',
    };
  });
  afterAll(async () => {
    rmSync(passwords, { recursive: true, force: true });
    await postgres.server?.stop();
  });

  const as = (role: string, password = `${role}-1`): pg.ClientConfig => ({ ...database, user: role, password });
  const applied = async (schema: string): Promise<string[]> =>
    (await query(as(schema), `select name from ${schema}.kysely_migration order by 1`)).map(({ name }) => String(name));

  it('names every role without a password, before it touches the database', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'callosum-passwords-'));
    writeFileSync(join(empty, 'archive'), '\n');
    const run = migrateSite(services, { ...env, CALLOSUM_DATABASE_PASSWORDS_DIR: empty }, quiet);
    await expect(run).rejects.toThrow(MissingPasswordError);
    await expect(run).rejects.toThrow(/archive, event_log, fhir_gateway, study_index/);
    rmSync(empty, { recursive: true });
  });

  it('run twice at once by an administrator who is no superuser, leaves every schema ready for its service', async () => {
    await Promise.all([migrateSite(services, env, quiet), migrateSite(services, env, quiet)]);
    for (const { schema, migrations } of services) {
      expect(await applied(schema), schema).toEqual(expect.arrayContaining(Object.keys(migrations)));
    }
    expect(await applied('archive')).not.toEqual([]);
  });

  it('again changes nothing but a rotated password', async () => {
    const before = await Promise.all(services.map(({ schema }) => applied(schema)));
    writeFileSync(join(passwords, 'observer'), 'observer-2');
    await migrateSite(services, env, quiet);
    expect(await Promise.all(services.map(({ schema }) => applied(schema)))).toEqual(before);
    await expect(query(as('observer', 'observer-2'), 'select 1')).resolves.toHaveLength(1);
    await expect(query(as('observer'), 'select 1')).rejects.toThrow(/password authentication failed/);
  });

  it('without Kafka makes the log in PostgreSQL; the role that follows it sees nothing else', async () => {
    await expect(query(as('observer', 'observer-2'), 'select count(*) from event_log.events')).resolves.toHaveLength(1);
    await expect(query(as('observer', 'observer-2'), 'select * from fhir_gateway.outbox')).rejects.toThrow(
      /permission denied/,
    );
  });

  it('waits for a database that starts after it', async () => {
    // A port nobody listens on yet, forwarded to the server when it does.
    let forward: Server = createServer();
    const port = await listen(forward, 0);
    await new Promise((resolve) => forward.close(resolve));
    const run = migrateSite(services, { ...env, CALLOSUM_DATABASE_PORT: String(port) }, quiet);
    await new Promise((resolve) => setTimeout(resolve, 500));
    forward = createServer((socket) => {
      const target = connectTcp(database.port, database.host);
      socket.pipe(target).pipe(socket);
      for (const end of [socket, target]) end.on('error', () => undefined);
    });
    await listen(forward, port);
    await run;
    forward.close();
  });

  it('of a newer version leaves the running older one at work, which can also start again', async () => {
    const studyIndex = services.find(({ name }) => name === 'study-index') as ServiceDefinition;
    const serviceEnv = {
      ...env,
      CALLOSUM_DATABASE_PASSWORD: 'study_index-1',
      CALLOSUM_OBJECT_STORE_DIR: join(passwords, 'objects'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
      CALLOSUM_LOG_LEVEL: 'fatal',
    };
    const old = await startService(studyIndex, serviceEnv);
    const newer: ServiceDefinition = {
      ...studyIndex,
      migrations: {
        ...studyIndex.migrations,
        '9999-expand': {
          up: async (db) => {
            await db.schema.createTable('of_the_next_version').addColumn('n', 'integer').execute();
          },
        },
      },
    };
    await migrateSite(
      services.map((service) => (service === studyIndex ? newer : service)),
      env,
      quiet,
    );
    expect(await applied('study_index')).toContain('9999-expand');
    expect(await old.readiness()).toEqual({
      database: { state: 'ok', needed: true },
      eventLog: { state: 'ok', needed: false },
      objectStore: { state: 'ok', needed: false },
      service: { state: 'ok', needed: true },
    });
    await old.close();
    const again = await startService(studyIndex, serviceEnv);
    expect((await again.readiness())['database']?.state).toBe('ok');
    await again.close();
  });

  it('and a service go over TLS with every connection, and say at once what is wrong with it', async () => {
    const server = postgres.server as TestPostgres;
    const authority = await TestAuthority.create();
    const proxy = await TcpProxy.to(database.port);
    const tls = {
      ...env,
      CALLOSUM_DATABASE_HOST: 'localhost',
      CALLOSUM_DATABASE_PORT: String(proxy.port),
      CALLOSUM_DATABASE_TLS: 'verify-full',
      CALLOSUM_DATABASE_TLS_CA_FILE: authority.caFile,
      CALLOSUM_DATABASE_PASSWORD: 'study_index-1',
      CALLOSUM_OBJECT_STORE_DIR: join(passwords, 'objects'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
      CALLOSUM_LOG_LEVEL: 'fatal',
    };
    try {
      // Waiting does not help there, and a person looks at it: well before CALLOSUM_MIGRATION_WAIT_MS.
      await expect(migrateSite(services, tls, quiet)).rejects.toThrow(/it offers no TLS/);
      await server.offerTls(await authority.issue('server', 'DNS:localhost'));
      await expect(migrateSite(services, { ...tls, CALLOSUM_DATABASE_HOST: '127.0.0.1' }, quiet)).rejects.toThrow(
        /another name/,
      );
      await migrateSite(services, tls, quiet);
      const service = services.find(({ name }) => name === 'study-index') as ServiceDefinition;
      await expect(startService(service, { ...tls, CALLOSUM_DATABASE_HOST: '127.0.0.1' })).rejects.toMatchObject({
        code: 'database.tls-refused',
      });
      const running = await startService(service, tls);
      expect((await running.readiness())['database']?.state).toBe('ok');
      await running.close();
      // A start-up message names its role: one connection that forgot would show.
      for (const role of ['site_admin', ...roles]) expect(proxy.sent.includes(`user\0${role}\0`), role).toBe(false);
    } finally {
      await proxy.close();
      await authority.remove();
    }
  });
});

async function query(config: pg.ClientConfig, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}
