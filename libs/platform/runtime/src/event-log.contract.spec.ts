import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect as connectTo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { operations, topics, type imaging } from '@callosum/contracts';
import { connect, type Database } from '@callosum/database';
import { EventLogContext, Inbox, type EventLog, type LogEvent } from '@callosum/event-log';
import { CallosumError, newId } from '@callosum/kernel';
import {
  freePort,
  orSkip,
  startPostgres,
  startSecureKafka,
  type TestPostgres,
  type TestSecureKafka,
} from '@callosum/testing';
import { Controller, Inject, Module } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import kafkajs from 'kafkajs';
import { sql } from 'kysely';
import { createChannel, createClient, Status } from 'nice-grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { defineService } from './definition.js';
import { openEventLog } from './open-adapters.js';
import { preparePlatform } from './prepare-platform.js';
import { platformSettings } from './settings.js';
import { type RunningService, startService } from './start-service.js';
import { DATABASE } from './tokens.js';

const topic = topics.studyUpdated;
/** Keys whose facts fail, and what was handled, over all services of this file. */
const poison = new Set<string>();
const handled: LogEvent[] = [];

@Controller()
class Facts {
  constructor(@Inject(DATABASE) private readonly database: Database<never>) {}

  @EventPattern<string>(topic.name)
  async updated(
    @Payload() { studyInstanceUid }: imaging.StudyUpdated,
    @Ctx() { event }: EventLogContext,
  ): Promise<void> {
    if (poison.has(studyInstanceUid)) throw new CallosumError('test.poison', 'invalid', 'as the test wants it');
    await this.database.db.transaction().execute(async (trx) => {
      if (await Inbox.once(trx, 'identity-mapping', event)) handled.push(event);
    });
  }
}

@Module({ controllers: [Facts] })
class FactsModule {}

const definition = defineService({
  name: 'identity-mapping',
  settings: z.object({}),
  schema: 'identity_mapping',
  migrations: {},
  usesArchive: false,
  module: FactsModule,
  httpPrefixes: [],
});

const fact = (key: string, revision: number): LogEvent => ({
  topic: topic.name,
  key,
  id: newId(),
  type: topic.type,
  source: '/callosum/study-index',
  time: new Date(),
  site: 'default',
  correlationId: newId(),
  value: JSON.stringify(topic.message.toJSON(topic.message.fromJSON({ studyInstanceUid: key, revision }))),
});

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await condition()); await sleep(50)) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
  }
}

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** A database of its own with the service's role, and the environment that leads to it. */
async function environment(eventLogInPostgres: boolean): Promise<NodeJS.ProcessEnv> {
  const admin = await postgres.createDatabase();
  const passwordOf = (role: string): string => `${role}-${admin.database}`;
  await preparePlatform({ admin, definitions: [definition], passwordOf, eventLogInPostgres });
  return {
    CALLOSUM_DATABASE_HOST: admin.host,
    CALLOSUM_DATABASE_PORT: String(admin.port),
    CALLOSUM_DATABASE_NAME: admin.database,
    CALLOSUM_DATABASE_PASSWORD: passwordOf(definition.schema),
    CALLOSUM_OBJECT_STORE_DIR: mkdtempSync(join(tmpdir(), 'callosum-runtime-')),
    CALLOSUM_LOG_LEVEL: 'fatal',
    CALLOSUM_EVENT_LOG: eventLogInPostgres ? 'postgres' : 'kafka',
  };
}

const quiet = { warn: () => undefined, debug: () => undefined } as never;
async function openLog(env: NodeJS.ProcessEnv): Promise<{ log: EventLog; close(): Promise<void> }> {
  return openEventLog(definition, platformSettings.parse(env), quiet);
}

describe('a service on the Postgres log', () => {
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    env = await environment(true);
  });
  parkedWork(() => env);
});

describe('a service on Kafka', async () => {
  const { server, missing } = await orSkip<TestSecureKafka>(startSecureKafka);
  if (!server) {
    it.skip(missing, () => undefined);
    return;
  }
  const kafka = server;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'callosum-kafka-settings-'));
    writeFileSync(join(folder, 'ca.pem'), kafka.ca);
    env = {
      ...(await environment(false)),
      CALLOSUM_KAFKA_BROKERS: kafka.saslBrokers.join(','),
      CALLOSUM_KAFKA_REPLICATION: '1',
      CALLOSUM_KAFKA_SMALL_SITE: 'true',
      CALLOSUM_KAFKA_TLS: 'true',
      CALLOSUM_KAFKA_TLS_CA_FILE: join(folder, 'ca.pem'),
      CALLOSUM_KAFKA_SASL: 'scram-sha-512',
      CALLOSUM_KAFKA_USERNAME: kafka.scram.username,
      CALLOSUM_KAFKA_PASSWORD: kafka.scram.password,
    };
    await (await openLog(env)).close();
  });
  afterAll(() => kafka.stop());

  parkedWork(() => env);

  it('does not start on one broker unless the site says that it is small, and names what is unsafe', async () => {
    const error: unknown = await startService(definition, { ...env, CALLOSUM_KAFKA_SMALL_SITE: 'false' }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ code: 'event-log.unsafe-kafka' });
    expect((error as Error).message).toContain('imaging.study.updated.v1: replication factor is 1, must be 3 or more');
    expect((error as Error).message).toContain('CALLOSUM_KAFKA_SMALL_SITE');
  });

  it.each([
    ['a wrong password', { CALLOSUM_KAFKA_PASSWORD: 'wrong' }, 'invalid credentials'],
    ['no password', { CALLOSUM_KAFKA_PASSWORD: '' }, 'CALLOSUM_KAFKA_PASSWORD: is required'],
    ['SASL without TLS', { CALLOSUM_KAFKA_TLS: 'false' }, 'CALLOSUM_KAFKA_TLS: must be true'],
    [
      'a certificate without its key',
      { CALLOSUM_KAFKA_TLS_CERT_FILE: '/nowhere' },
      'CALLOSUM_KAFKA_TLS_KEY_FILE: is required',
    ],
    [
      'a file that is not there',
      { CALLOSUM_KAFKA_TLS_CA_FILE: '/nowhere' },
      'CALLOSUM_KAFKA_TLS_CA_FILE: the file cannot be read',
    ],
    [
      'tokens without an endpoint',
      { CALLOSUM_KAFKA_SASL: 'oauthbearer' },
      'CALLOSUM_KAFKA_OAUTH_TOKEN_URL: is required',
    ],
  ])('does not start with %s, and says so', async (_, change, text) => {
    const error: unknown = await startService(definition, { ...env, ...change }).catch((caught: unknown) => caught);
    expect((error as Error).message).toContain(text);
    expect((error as Error).message).not.toContain(kafka.scram.password);
  });

  it('waits for a Kafka that is away when it starts', async () => {
    const [host = '', port = ''] = (kafka.saslBrokers[0] ?? '').split(':');
    const bootstrap = await freePort();
    const door = createServer((socket) => {
      const broker = connectTo(Number(port), host);
      socket.pipe(broker).pipe(socket);
      for (const end of [socket, broker]) end.on('error', () => end.destroy());
    });
    let outcome = 'waits';
    const starting = startService(definition, { ...env, CALLOSUM_KAFKA_BROKERS: `127.0.0.1:${bootstrap}` });
    starting.then(
      () => (outcome = 'started'),
      (error: unknown) => (outcome = String(error)),
    );
    // Longer than one attempt takes.
    await sleep(10_000);
    expect(outcome).toBe('waits');
    door.listen(bootstrap, '127.0.0.1');
    const service = await starting;
    expect((await service.readiness())['eventLog']?.state).toBe('ok');
    await service.close();
    door.close();
  }, 120_000);

  it('is dead to its probe once its consumer stopped for good: no restart inside the process mends that', async () => {
    const service = await startService(definition, env);
    expect(service.crashed()).toBe(false);
    const admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createAcls({
      acl: [
        {
          resourceType: kafkajs.AclResourceTypes.GROUP,
          resourceName: definition.name,
          resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
          principal: `User:${kafka.scram.username}`,
          host: '*',
          operation: kafkajs.AclOperationTypes.ALL,
          permissionType: kafkajs.AclPermissionTypes.DENY,
        },
      ],
    });
    await admin.disconnect();
    await until('the crash', () => service.crashed());
    await service.close();
  }, 60_000);
});

/** Parked work over gRPC, the same on both logs. */
function parkedWork(env: () => NodeJS.ProcessEnv): void {
  let service: RunningService;
  let log: Awaited<ReturnType<typeof openLog>>;
  let channel: ReturnType<typeof createChannel>;
  const client = () => createClient(operations.ParkedServiceDefinition, channel);
  const refused = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

  beforeAll(async () => {
    service = await startService(definition, env());
    log = await openLog(env());
    channel = createChannel(service.grpcAddress);
  });
  afterAll(async () => {
    channel.close();
    await log.close();
    await service.close();
  });

  it('is listed, shown, replayed in order with its ids, and dropped with who and why', async () => {
    const [bad, good] = [`1.2.${Date.now()}.1`, `1.2.${Date.now()}.2`];
    poison.add(bad);
    const facts = [1, 2, 3].map((revision) => fact(bad, revision));
    await log.log.append([...facts, fact(good, 1)]);
    const list = (): Promise<operations.ParkedKey[]> =>
      client()
        .listParked({ topic: topic.name })
        .then(({ keys }) => keys.filter(({ key }) => key === bad));
    await until('all parked', async () => (await list())[0]?.items === 3);
    await until('the other key', () => handled.some(({ key }) => key === good));
    expect(await list()).toMatchObject([
      { group: 'identity-mapping', topic: topic.name, key: bad, errorCode: 'test.poison' },
    ]);

    const at = { topic: topic.name, key: bad };
    const { items, itemsTotal } = await client().showParked(at);
    expect(itemsTotal).toBe(3);
    expect(items.map(({ id }) => id)).toEqual(facts.map(({ id }) => id));
    expect(items.map(({ errorCode }) => errorCode)).toEqual([
      'test.poison',
      'event-log.behind-parked',
      'event-log.behind-parked',
    ]);
    expect(JSON.parse(items[1]?.payload ?? '')).toEqual({ studyInstanceUid: bad, revision: 2 });

    expect(await client().replayParked(at)).toEqual({ replayed: 0, left: 3, errorCode: 'test.poison' });
    for (const [lacking, order] of [
      ['reason', { ...at, droppedBy: 'me' }],
      ['dropped_by', { ...at, reason: 'why' }],
    ] as const) {
      expect(await refused(client().dropParked(order))).toMatchObject({
        code: Status.INVALID_ARGUMENT,
        details: expect.stringContaining(lacking) as string,
      });
    }
    const order = { ...at, id: facts[0]?.id ?? '', droppedBy: 'on call', reason: 'known defect' };
    expect(await client().dropParked(order)).toEqual({ dropped: 1, left: 2 });
    expect(await refused(client().dropParked(order))).toMatchObject({ code: Status.NOT_FOUND });
    expect(await dropped()).toEqual([
      {
        event_id: facts[0]?.id,
        error_code: 'test.poison',
        dropped_by: 'on call',
        reason: 'known defect',
        value: facts[0]?.value,
      },
    ]);

    poison.delete(bad);
    expect(await client().replayParked(at)).toEqual({ replayed: 2, left: 0, errorCode: '' });
    expect(handled.filter(({ key }) => key === bad).map(({ id }) => id)).toEqual(facts.slice(1).map(({ id }) => id));
    expect(await refused(client().replayParked(at))).toMatchObject({ code: Status.NOT_FOUND });
    expect(await refused(client().showParked(at))).toMatchObject({ code: Status.NOT_FOUND });
    await log.log.append([fact(bad, 4)]);
    await until('the key is open', () => handled.filter(({ key }) => key === bad).length === 3);
  }, 60_000);

  it('is told of beside what waits in the outbox, to whoever asks after the study, and nothing of others', async () => {
    const [uid, job] = [`1.5.${Date.now()}`, newId()];
    poison.add(uid);
    const trace = 'ab'.repeat(16);
    await log.log.append([{ ...fact(uid, 1), traceparent: `00-${trace}-${'cd'.repeat(8)}-01` }, fact(uid, 2)]);
    const ask = (request: Partial<operations.GetStudyStatusRequest>) =>
      createClient(operations.StudyStatusServiceDefinition, channel).getStudyStatus(request);
    const status = () => ask({ studyInstanceUid: uid, jobIds: [job] });
    await until('both are parked, and mirrored', async () => {
      const { parked, outbox } = await status();
      return parked[0]?.items === 2 && outbox.length === 0;
    });
    const told = await status();
    expect(told).toMatchObject({ service: 'identity-mapping', outbox: [], traceIds: [trace] });
    expect(told.parked).toMatchObject([{ topic: topic.name, key: uid, items: 2, errorCode: 'test.poison' }]);
    expect(told.parked[0]?.nextAttemptAt).toBeUndefined();
    expect(Math.abs(Date.parse(told.observedAt ?? '') - Date.now())).toBeLessThan(30_000);
    const other = await ask({ studyInstanceUid: `${uid}.1` });
    expect(other).toMatchObject({ parked: [], outbox: [], traceIds: [], publications: [] });

    await withDatabase(async (database) => {
      // As after an outage: tried again by itself.
      const next = new Date(Date.now() + 3_600_000).toISOString();
      await sql`update parked set retry_at = ${next}, retries = 2 where key = ${uid} and error_code = 'test.poison'`.execute(
        database,
      );
      expect((await status()).parked).toMatchObject([{ items: 2, nextAttemptAt: next }]);
      const { keys } = await client().listParked({ topic: topic.name });
      expect(keys.find(({ key }) => key === uid)).toMatchObject({ nextAttemptAt: next, retries: 2 });
      const { items } = await client().showParked({ topic: topic.name, key: uid });
      expect(items.map(({ nextAttemptAt, retries }) => [nextAttemptAt, retries])).toEqual([
        [next, 2],
        [undefined, 0],
      ]);
      // Relays never pass an open writing transaction: what is committed meanwhile waits.
      const open = await database.startTransaction().execute();
      await sql`select pg_current_xact_id()`.execute(open);
      await sql`insert into outbox (topic, key, event_id, type, source, time, site, correlation_id, value)
        values (${topic.name}, ${job}, ${newId()}, ${topic.type}, 's', now(), 'default', 'c', '{}')`.execute(database);
      expect((await status()).outbox).toMatchObject([{ schema: 'identity_mapping', rows: 1 }]);
      await open.rollback().execute();
    });
    await until('it is sent', async () => (await status()).outbox.length === 0);

    for (const request of [
      { studyInstanceUid: 'DOE^JOHN' },
      { studyInstanceUid: uid, jobIds: ['no-uuid'] },
      { studyInstanceUid: uid, jobIds: Array.from({ length: 101 }, () => newId()) },
    ]) {
      const error = await refused(ask(request));
      expect(error).toMatchObject({ code: Status.INVALID_ARGUMENT });
      expect(String(error)).not.toContain('DOE');
    }
    poison.delete(uid);
  }, 60_000);

  it('pages through more keys than one answer holds', async () => {
    const prefix = `1.3.${Date.now()}`;
    const keys = Array.from({ length: 130 }, (_, i) => `${prefix}.${i}`);
    keys.forEach((key) => poison.add(key));
    await log.log.append(keys.map((key) => fact(key, 1)));
    const listed = async (): Promise<string[]> => {
      const found: string[] = [];
      for (let pageToken = ''; ;) {
        const page = await client().listParked({ pageToken });
        found.push(...page.keys.map(({ key }) => key));
        if (!page.nextPageToken) return found.filter((key) => key.startsWith(prefix));
        pageToken = page.nextPageToken;
      }
    };
    await until('all parked', async () => (await listed()).length === keys.length);
    expect([...(await listed())].sort()).toEqual([...keys].sort());
    keys.forEach((key) => poison.delete(key));
  }, 60_000);

  it('shows no more of a value than its contract names, and none of one that breaks it', async () => {
    const key = `1.4.${Date.now()}`;
    await log.log.append([{ ...fact(key, 1), value: '{"patientName": "DOE^JOHN"}' }]);
    const at = { topic: topic.name, key };
    await until('it is parked', async () => (await refused(client().showParked(at))) instanceof Error === false);
    const { items } = await client().showParked(at);
    expect(items[0]).toMatchObject({ errorCode: 'event-log.malformed', payload: '' });
    expect(JSON.stringify(items)).not.toContain('DOE');
  });

  it('tells how far its group is behind', async () => {
    const behind = async (): Promise<number> =>
      (await log.log.lag('identity-mapping')).reduce((sum, { events }) => sum + events, 0);
    await until('nothing waits', async () => (await behind()) === 0);
    const partitions = await log.log.lag('identity-mapping');
    expect(partitions.map(({ partition }) => partition)).toEqual(Array.from({ length: topic.partitions }, (_, i) => i));
    const others = await log.log.lag(`nobody-${newId()}`, [topic.name]);
    expect(others.reduce((sum, { events }) => sum + events, 0)).toBeGreaterThan(100);
  });

  async function withDatabase<T>(work: (db: Database<never>['db']) => Promise<T>): Promise<T> {
    const at = env();
    const database = connect<never>(
      {
        ...postgres.admin,
        database: at['CALLOSUM_DATABASE_NAME'] ?? '',
        user: definition.schema,
        password: at['CALLOSUM_DATABASE_PASSWORD'] ?? '',
      },
      definition.schema,
      () => undefined,
    );
    try {
      return await work(database.db);
    } finally {
      await database.close();
    }
  }

  function dropped(): Promise<unknown[]> {
    return withDatabase(async (db) => {
      const { rows } = await sql`select event_id, error_code, dropped_by, reason, value from dropped`.execute(db);
      return [...rows];
    });
  }
}
