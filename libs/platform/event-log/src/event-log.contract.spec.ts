import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  orSkip,
  spawnTypeScript,
  startKafka,
  startPostgres,
  type TestKafka,
  type TestPostgres,
} from '@callosum/testing';
import { connect, type DatabaseConfig } from '@callosum/database';
import { newId } from '@callosum/kernel';
import { Kafka, logLevel } from 'kafkajs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { collect, fact, revisionOf, topic, until } from './test-support/collect.js';
import { migrateLog, openLog, openService, type LogTarget, type OpenLog } from './test-support/logs.js';
import { StatementCounter } from './test-support/statements.js';
import { KafkaEventLog, OutboxRelay, PostgresEventLog, PostgresOutbox, topicConfigs, type LogEvent } from './index.js';
import { topicCatalogue } from '@callosum/contracts';

let postgres: TestPostgres;
let database: DatabaseConfig;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  database = await postgres.createDatabase();
  await migrateLog(database);
});

afterAll(async () => {
  await postgres.stop();
});

describe('Postgres log', () => {
  contract(() => ({ adapter: 'postgres', database }));

  it('skips no event of a transaction that commits after a later one', async () => {
    const prefix = `${newId()}-`;
    const { log, close } = openLog({ adapter: 'postgres', database });
    const writer = connect<unknown>(database, 'event_log', () => undefined);
    const pgLog = new PostgresEventLog({ db: writer.db, onError: () => undefined });
    const { events } = await collect(log, `group-${newId()}`, prefix);
    await writer.db.transaction().execute(async (first) => {
      await pgLog.appendIn(first, [fact(`${prefix}a`, 1)]);
      await pgLog.append([fact(`${prefix}a`, 2)]);
      // The second is committed and several polls go by: it must wait for the first.
      await sleep(600);
      expect(events).toEqual([]);
    });
    await until('both events', () => events.length === 2);
    expect(events.map(revisionOf)).toEqual([1, 2]);
    await close();
    await pgLog.close();
    await writer.close();
  });

  it('takes back a partition whose lease another member got, and never moves its cursor backwards', async () => {
    const prefix = `${newId()}-`;
    const group = `group-${newId()}`;
    const frozen = openLog({ adapter: 'postgres', database });
    let reached!: () => void;
    let goOn!: () => void;
    const inHandler = new Promise<void>((resolve) => (reached = resolve));
    const held = new Promise<void>((resolve) => (goOn = resolve));
    await collect(frozen.log, group, prefix, async () => {
      reached();
      await held;
    });
    await frozen.log.append([fact(`${prefix}k`, 1), fact(`${prefix}k`, 2)]);
    await inHandler;
    const admin = connect<unknown>(database, 'event_log', () => undefined);
    // What a stopped process looks like to the others: its lease ends and is taken, its token is old.
    await sql`update event_log.cursors set owner = 'another', fencing_token = fencing_token + 1,
      lease_until = now() + interval '1 second' where consumer_group = ${group}`.execute(admin.db);
    const other = openLog({ adapter: 'postgres', database });
    const second = await collect(other.log, group, prefix);
    await until('the other member handles both', () => second.events.length === 2);
    let before = 0;
    // Its other partitions move too, until they have read everything.
    await until('its cursors are at rest', async () => {
      const last = before;
      await sleep(300);
      before = await cursorSum(admin.db, group);
      return before > 0 && before === last;
    });
    goOn();
    await sleep(500);
    expect(await cursorSum(admin.db, group)).toBe(before);
    await frozen.close();
    await other.close();
    await admin.close();
  });

  it('moves the cursors of partitions that end their batches together by one statement', async () => {
    const own = await postgres.createDatabase();
    await migrateLog(own);
    const opened = connect<unknown>(own, 'event_log', () => undefined);
    const statements = new StatementCounter();
    const errors: unknown[] = [];
    const log = new PostgresEventLog({ db: opened.db.withPlugin(statements), onError: (error) => errors.push(error) });
    await log.append(Array.from({ length: 60 }, (_, i) => fact(`k${i}`, 1)));
    const group = `group-${newId()}`;
    const { events } = await collect(log, group, 'k');
    await until('all events', () => events.length === 60);
    await until('nothing is left', async () => (await log.lag(group, [topic.name])).every((lag) => lag.events === 0));
    const { rows } = await sql`select 1 from event_log.cursors where position > 0`.execute(opened.db);
    expect(rows.length).toBeGreaterThan(8);
    expect(statements.of('touched_at = now()')).toBeLessThan(rows.length);
    expect(errors).toEqual([]);
    await log.close();
    await opened.close();
  });

  it('prunes what is past its retention and keeps the rest', async () => {
    const prefix = `${newId()}-`;
    const admin = connect<unknown>(database, 'event_log', () => undefined);
    const log = new PostgresEventLog({ db: admin.db, onError: () => undefined });
    await log.append([fact(`${prefix}old`, 1), fact(`${prefix}new`, 1)]);
    await sql`update event_log.events set appended_at = now() - interval '15 days' where key = ${`${prefix}old`}`.execute(
      admin.db,
    );
    expect(await log.prune()).toBe(1);
    const { rows } = await sql<{
      key: string;
    }>`select key from event_log.events where key like ${`${prefix}%`}`.execute(admin.db);
    expect(rows).toEqual([{ key: `${prefix}new` }]);
    await log.close();
    await admin.close();
  });
});

describe('Kafka log', async () => {
  const { server: kafka, missing } = await orSkip<TestKafka>(startKafka);
  if (!kafka) {
    it.skip(missing, () => undefined);
    return;
  }
  afterAll(() => kafka.stop());
  beforeAll(async () => {
    const log = new KafkaEventLog({ brokers: kafka.brokers, clientId: 'set-up', onError: () => undefined });
    await log.ensureTopics({ replicationFactor: 1, smallSite: true });
    await log.ensureTopics({ replicationFactor: 1, smallSite: true });
    await log.close();
  });

  contract(() => ({ adapter: 'kafka', brokers: kafka.brokers }));

  it('has every topic of the catalogue and a dead-letter topic for each consuming service', async () => {
    const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const existing = await admin.listTopics();
    for (const config of topicConfigs(topicCatalogue, 1)) expect(existing).toContain(config.topic);
    expect(existing).toContain('imaging.study.completed.v1.result-publisher.dlq');
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic.name] });
    expect(topics[0]?.partitions).toHaveLength(topic.partitions);
    await admin.disconnect();
  });

  it('refuses to start, and says why, when the broker never takes the consumer in', async () => {
    // Below the broker's shortest session: INVALID_SESSION_TIMEOUT, which no retry mends.
    const log = new KafkaEventLog({
      brokers: kafka.brokers,
      clientId: 'refused',
      onError: () => undefined,
      tuning: { sessionTimeoutMs: 500, startTimeoutMs: 2_000 },
    });
    await expect(collect(log, `group-${newId()}`, 'none')).rejects.toThrow(/session timeout/i);
    await log.close();
  });

  it('goes on by itself after the broker was killed and came back, losing nothing', async () => {
    const prefix = `${newId()}-`;
    const errors: unknown[] = [];
    const { log, close } = openLog({ adapter: 'kafka', brokers: kafka.brokers }, (error) => errors.push(error));
    const service = await openService(database, `s_${newId().replaceAll('-', '')}`);
    const relay = new OutboxRelay({
      db: service.db,
      log,
      schema: service.schema,
      onError: (error) => errors.push(error),
    }).start();
    const outbox = new PostgresOutbox({ service: 'study-index', onAdd: () => relay.expect() });
    const add = (revision: number): Promise<void> =>
      service.db
        .transaction()
        .execute((trx) => outbox.add(trx, topic, topic.message.fromJSON({ studyInstanceUid: `${prefix}k`, revision })));
    const { events } = await collect(log, `group-${newId()}`, prefix);
    await add(1);
    await until('the first', () => events.length === 1);
    const restarted = kafka.restart(3_000);
    await sleep(1_000);
    await add(2);
    await add(3);
    await restarted;
    await add(4);
    await until('all of them', () => new Set(events.map(revisionOf)).size === 4, 60_000);
    // A batch whose acknowledgement was lost may come twice; the first coming is in order.
    expect([...new Set(events.map(revisionOf))]).toEqual([1, 2, 3, 4]);
    expect(errors.length).toBeGreaterThan(0);
    await relay.close();
    await close();
    await service.close();
  }, 120_000);

  it('writes CloudEvents in binary mode: attributes as headers, the value as ProtoJSON', async () => {
    const key = newId();
    const event = fact(key, 7, {
      causationId: newId(),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    const client = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING });
    const consumer = client.consumer({ groupId: `raw-${newId()}` });
    const seen: { headers: Record<string, string>; value: string }[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: [topic.name], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        if (message.key?.toString() === key) {
          const headers = Object.fromEntries(
            Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
          );
          seen.push({ headers, value: String(message.value) });
        }
        return Promise.resolve();
      },
    });
    const { log, close } = openLog({ adapter: 'kafka', brokers: kafka.brokers });
    await log.append([event]);
    await until('the record', () => seen.length === 1);
    expect(seen[0]).toEqual({
      headers: {
        ce_specversion: '1.0',
        ce_id: event.id,
        ce_type: 'callosum.imaging.v1.StudyUpdated',
        ce_source: '/callosum/contract',
        ce_time: '2026-01-02T03:04:05.678Z',
        ce_site: 'default',
        ce_correlationid: event.correlationId,
        ce_causationid: event.causationId,
        traceparent: event.traceparent,
        'content-type': 'application/json',
      },
      value: JSON.stringify({ studyInstanceUid: key, revision: 7 }),
    });
    await consumer.disconnect();
    await close();
  });
});

/** What every adapter must do. */
function contract(target: () => LogTarget): void {
  const open = (): OpenLog => {
    const opened = openLog(target());
    closing.push(opened.close);
    return opened;
  };
  const scope = (): { prefix: string; group: string } => ({ prefix: `${newId()}-`, group: `group-${newId()}` });

  afterAll(async () => {
    await Promise.all(closing.splice(0).map((close) => close()));
  });

  it('gives back every attribute of an event', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const full = fact(`${prefix}é`, 1, {
      causationId: newId(),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    const bare = fact(`${prefix}é`, 2);
    const { events, subscription } = await collect(log, group, prefix);
    await log.append([full, bare]);
    await until('two events', () => events.length === 2);
    expect(events).toEqual([full, bare]);
    await subscription.close();
  });

  it('keeps the order per key across appends and partitions', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const { events, subscription } = await collect(log, group, prefix);
    const keys = Array.from({ length: 10 }, (_, i) => `${prefix}${i}`);
    for (let revision = 1; revision <= 40; revision += 4) {
      const batch = [0, 1, 2, 3].flatMap((step) => keys.map((key) => fact(key, revision + step)));
      await log.append(batch);
    }
    await until('400 events', () => events.length >= 400);
    for (const key of keys) {
      const revisions = events.filter((event) => event.key === key).map(revisionOf);
      expect(revisions).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    }
    await subscription.close();
  });

  it('says which events were fetched together, and each is handled by the handler of its fetch', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const ours = ({ key }: { key: string }): boolean => key.startsWith(prefix);
    const handled: number[] = [];
    let fetches = 0;
    const subscription = await log.subscribe({
      group,
      topics: [topic.name],
      from: 'earliest',
      onCrash: (error) => {
        throw error;
      },
      handler: {
        ofFetched: (fetched) => {
          if (fetched.some(ours)) fetches += 1;
          const keys = new Set(fetched.map(({ topic: name, key }) => `${name} ${key}`));
          return (events) => {
            if (events.some((event) => !keys.has(`${event.topic} ${event.key}`)))
              return Promise.reject(new Error('of another fetch'));
            const [event] = events;
            if (event && ours(event)) handled.push(revisionOf(event));
            return Promise.resolve(1);
          };
        },
      },
    });
    await log.append(Array.from({ length: 20 }, (_, i) => fact(`${prefix}k`, i + 1)));
    await until('20 events', () => handled.length >= 20);
    expect(handled).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(fetches).toBeLessThan(10);
    await subscription.close();
  });

  it('offers what follows in a partition, goes on behind what was taken of it, and offers it again where that failed', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const taken: number[][] = [];
    let failures = 1;
    const options = { group, topics: [topic.name], from: 'earliest', onCrash: () => undefined } as const;
    const subscription = await log.subscribe({
      ...options,
      handler: {
        ofFetched: () => (events) => {
          const others = events.findIndex(({ key }) => !key.startsWith(prefix));
          if (others === 0) return Promise.resolve(1);
          const ours = events.slice(0, others < 0 ? 3 : Math.min(others, 3));
          if (ours.length === 3 && failures-- > 0) return Promise.reject(new Error('once'));
          taken.push(ours.map(revisionOf));
          return Promise.resolve(ours.length);
        },
      },
    });
    await log.append(Array.from({ length: 8 }, (_, i) => fact(`${prefix}k`, i + 1)));
    await until('8 events', () => taken.flat().length >= 8);
    expect(taken.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(Math.max(...taken.map(({ length }) => length))).toBe(3);
    expect(failures, 'one of them failed').toBeLessThan(1);
    await subscription.close();
    // Behind all that was taken, and not behind the first of each.
    const { events } = await collect(log, group, prefix);
    await log.append([fact(`${prefix}k`, 9)]);
    await until('the next', () => events.length > 0);
    expect(events.map(revisionOf)).toEqual([9]);
  });

  it('gives every group every event, and shares the partitions among the members of one', async () => {
    const { prefix, group } = scope();
    const [one, two, three] = [open(), open(), open()];
    const first = await collect(one.log, group, prefix);
    const second = await collect(two.log, group, prefix);
    const others = await collect(three.log, `${group}-other`, prefix);
    let round = 0;
    const sendRound = async (): Promise<number> => {
      round++;
      await one.log.append(Array.from({ length: 48 }, (_, i) => fact(`${prefix}${i}`, round)));
      const inRound = (events: LogEvent[]): number => events.filter((event) => revisionOf(event) === round).length;
      await until(
        'a round',
        () => inRound(first.events) + inRound(second.events) >= 48 && inRound(others.events) >= 48,
      );
      await sleep(200);
      return Math.min(inRound(first.events), inRound(second.events));
    };
    await until('both members to take part', async () => (await sendRound()) > 0, 40_000);
    // Settled: from here on each event goes to one member only.
    await sleep(1_500);
    const before = { first: first.events.length, second: second.events.length };
    await sendRound();
    const [a, b] = [first.events.slice(before.first), second.events.slice(before.second)];
    expect(a.length).toBeGreaterThan(0);
    expect(b.length).toBeGreaterThan(0);
    expect(new Set([...a, ...b].map((event) => event.id)).size).toBe(48);
    expect(a.length + b.length).toBe(48);
    for (const { subscription } of [first, second, others]) await subscription.close();
  }, 90_000);

  it('delivers again what a killed process was handling, and what came after it, in order', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const child = spawnTypeScript(join(import.meta.dirname, 'test-support/crash-member.ts'), {
      CRASH_TARGET: JSON.stringify(target()),
      CRASH_GROUP: group,
      CRASH_TOPIC: topic.name,
      CRASH_PREFIX: prefix,
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('the child to subscribe', () => output.includes('subscribed'));
    const sent = [1, 2, 3].map((revision) => fact(`${prefix}k`, revision));
    await log.append(sent);
    await until(`the child to get the event`, () => output.includes(`handling ${sent[0]?.id ?? ''}`));
    // Kafka lets a second member in only when the first one answers or is dead, so this is not awaited yet.
    const joining = collect(log, group, prefix);
    await sleep(500);
    child.kill('SIGKILL');
    const { events, subscription } = await joining;
    await until('all three events', () => events.length === 3);
    expect(events).toEqual(sent);
    await subscription.close();
  }, 60_000);

  it('delivers again when the handler rejects, before anything later of that key', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    let failures = 2;
    const { events, subscription } = await collect(log, group, prefix, () =>
      failures-- > 0 ? Promise.reject(new Error('not now')) : Promise.resolve(),
    );
    await log.append([1, 2, 3].map((revision) => fact(`${prefix}k`, revision)));
    await until('three events', () => events.length === 3);
    expect(events.map(revisionOf)).toEqual([1, 2, 3]);
    expect(failures).toBeLessThan(0);
    await subscription.close();
  });

  it('goes on where the group was, after its only member left', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const first = await collect(log, group, prefix);
    await log.append([fact(`${prefix}k`, 1)]);
    await until('the first event', () => first.events.length === 1);
    await first.subscription.close();
    await log.append([fact(`${prefix}k`, 2)]);
    const second = await collect(log, group, prefix);
    await until('the second event', () => second.events.length > 0);
    expect(second.events.map(revisionOf)).toEqual([2]);
    await second.subscription.close();
  });

  it('publishes outbox rows of concurrent transactions, none skipped, none uncommitted, in order per key', async () => {
    const { prefix, group } = scope();
    const { log } = open();
    const service = await openService(database, `s_${newId().replaceAll('-', '')}`);
    const relay = new OutboxRelay({ db: service.db, log, schema: service.schema, onError: () => undefined }).start();
    const outbox = new PostgresOutbox({ service: 'study-index', onAdd: () => relay.expect() });
    const add = (trx: Parameters<typeof outbox.add>[0], revision: number): Promise<void> =>
      outbox.add(trx, topic, topic.message.fromJSON({ studyInstanceUid: `${prefix}k`, revision }));
    const { events, subscription } = await collect(log, group, prefix);
    await service.db.transaction().execute(async (first) => {
      await add(first, 1);
      await service.db.transaction().execute((second) => add(second, 2));
      await sleep(600);
      expect(events).toEqual([]);
    });
    await expect(
      service.db.transaction().execute(async (trx) => {
        await add(trx, 99);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await until('both events', () => events.length === 2);
    await sleep(300);
    expect(events.map(revisionOf)).toEqual([1, 2]);
    expect((await sql`select 1 from outbox`.execute(service.db)).rows).toEqual([]);
    await subscription.close();
    await relay.close();
    await service.close();
  });
}

async function cursorSum(db: Parameters<ReturnType<typeof sql>['execute']>[0], group: string): Promise<number> {
  const { rows } = await sql<{ sum: number }>`
    select coalesce(sum(position), 0)::float8 as sum from event_log.cursors where consumer_group = ${group}`.execute(
    db,
  );
  return rows[0]?.sum ?? 0;
}
