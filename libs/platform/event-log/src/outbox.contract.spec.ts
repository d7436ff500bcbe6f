import { topics } from '@callosum/contracts';
import { connect, type Database, type DatabaseConfig } from '@callosum/database';
import { newId } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import {
  Inbox,
  inboxRetentionDays,
  OutboxFullError,
  OutboxRelay,
  ParkedStore,
  PostgresEventLog,
  PostgresOutbox,
  Sent,
  topicConfigs,
  withPolicy,
  type EventLog,
  type LogEvent,
} from './index.js';
import { collect, fact, revisionOf, topic, until } from './test-support/collect.js';
import { migrateLog, openLog, openService } from './test-support/logs.js';
import { StatementCounter } from './test-support/statements.js';

let postgres: TestPostgres;
let config: DatabaseConfig;
let service: Database<unknown>;
let prefix: string;

beforeAll(async () => {
  postgres = await startPostgres();
  config = await postgres.createDatabase();
  await migrateLog(config);
});
afterAll(() => postgres.stop());

beforeEach(async () => {
  prefix = `${newId()}-`;
  service = await openService(config, `s_${newId().replaceAll('-', '')}`);
  return () => service.close();
});

const outboxOf = (outboxRowsMax = 1_000): PostgresOutbox =>
  new PostgresOutbox({ service: 'study-index', outboxRowsMax });
const add = (outbox: PostgresOutbox, ...revisions: number[]): Promise<void> =>
  service.db.transaction().execute(async (trx) => {
    for (const revision of revisions) {
      await outbox.add(trx, topic, topic.message.fromJSON({ studyInstanceUid: `${prefix}k`, revision }));
    }
  });

/** A log that only remembers, and fails when told to. */
function memory(): EventLog & { events: LogEvent[]; down: boolean } {
  const log = {
    events: [] as LogEvent[],
    down: false,
    append: (events: readonly LogEvent[]) => {
      if (log.down) return Promise.reject(new Error('down'));
      log.events.push(...events);
      return Promise.resolve();
    },
    subscribe: () => Promise.reject(new Error('not here')),
    ping: () => Promise.resolve(),
    lag: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
  return log;
}

describe('outbox', () => {
  it('refuses at outboxRowsMax and takes again once the relay has sent', async () => {
    const outbox = outboxOf(5);
    await add(outbox, 1, 2, 3, 4, 5);
    await expect(add(outbox, 6)).rejects.toThrow(OutboxFullError);
    const error = await add(outbox, 6).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'event-log.outbox-full', kind: 'unavailable' });
    const relay = new OutboxRelay({ db: service.db, log: memory(), schema: service.schema, onError: () => undefined });
    expect(await relay.sendOnce()).toBe(5);
    await add(outbox, 6);
  });

  it('counts what other replicas wrote', async () => {
    await add(outboxOf(5), 1, 2, 3, 4, 5);
    await expect(add(outboxOf(5), 6)).rejects.toThrow(OutboxFullError);
  });

  it('is not full because ids were used up by what was sent or rolled back', async () => {
    const outbox = outboxOf(5);
    const relay = new OutboxRelay({ db: service.db, log: memory(), schema: service.schema, onError: () => undefined });
    await add(outbox, 1);
    await sql`select setval(pg_get_serial_sequence('outbox', 'id'), 1000)`.execute(service.db);
    await add(outbox, 2, 3);
    await new Promise((resolve) => setTimeout(resolve, 600));
    await add(outbox, 4);
    expect(await relay.sendOnce()).toBe(4);
  });

  it('refuses an event without a key', async () => {
    const message = topic.message.fromJSON({ revision: 1 });
    await expect(service.db.transaction().execute((trx) => outboxOf().add(trx, topic, message))).rejects.toMatchObject({
      code: 'event-log.invalid-event',
    });
  });
});

describe('relay', () => {
  it('sends what a crash left, and keeps everything in order while the log is down', async () => {
    const outbox = outboxOf();
    await add(outbox, 1, 2);
    const log = memory();
    log.down = true;
    const errors: unknown[] = [];
    const relay = new OutboxRelay({
      db: service.db,
      log,
      schema: service.schema,
      onError: (error) => errors.push(error),
    }).start();
    await until('a failed append', () => errors.length > 0);
    await add(outbox, 3);
    log.down = false;
    await until('all sent', () => log.events.length === 3);
    expect(log.events.map(revisionOf)).toEqual([1, 2, 3]);
    await relay.close();
  });

  it('of two replicas one sends at a time: nothing twice, nothing out of order', async () => {
    const log = memory();
    const slow: EventLog = {
      ...log,
      append: async (events) => (await new Promise((resolve) => setTimeout(resolve, 5)), log.append(events)),
    };
    const relays = [1, 2].map(() =>
      new OutboxRelay({ db: service.db, log: slow, schema: service.schema, onError: () => undefined }).start(),
    );
    const outbox = outboxOf();
    for (let revision = 1; revision <= 60; revision++) {
      await add(outbox, revision);
      relays[revision % 2]?.kick();
    }
    await until('all sent', () => log.events.length >= 60);
    expect(log.events.map(revisionOf)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    for (const relay of relays) await relay.close();
  });

  it('takes its lock seldom while facts keep coming, and not at all where nothing waits', async () => {
    const statements = new StatementCounter();
    const db = service.db.withPlugin(statements);
    const log = memory();
    const relay = new OutboxRelay({ db, log, schema: service.schema, onError: () => undefined });
    expect(await relay.sendOnce()).toBe(0);
    expect(statements.of('pg_advisory_unlock')).toBe(0);
    relay.start();
    const outbox = new PostgresOutbox({ service: 'study-index', onAdd: () => relay.expect() });
    for (let revision = 1; revision <= 12; revision++) {
      await add(outbox, revision);
      await until('it was sent', () => log.events.length === revision);
    }
    expect(statements.of('delete from outbox')).toBe(12);
    expect(statements.of('pg_advisory_unlock')).toBeLessThan(12);
    const other = new OutboxRelay({ db: service.db, log, schema: service.schema, onError: () => undefined });
    await relay.close();
    await add(outbox, 13);
    expect(await other.sendOnce(), 'the lock was given back').toBe(1);
  });

  it('keeps a key in the order of its commits, though the later writer’s transaction began first', async () => {
    const log = memory();
    const relay = new OutboxRelay({ db: service.db, log, schema: service.schema, onError: () => undefined });
    const outbox = outboxOf();
    await service.db.transaction().execute(async (earlyId) => {
      // Draws its transaction id now, and writes its fact only after the other one committed.
      await sql`select pg_current_xact_id()`.execute(earlyId);
      await add(outbox, 1);
      await outbox.add(earlyId, topic, topic.message.fromJSON({ studyInstanceUid: `${prefix}k`, revision: 2 }));
    });
    expect(await relay.sendOnce()).toBe(2);
    expect(log.events.map(revisionOf)).toEqual([1, 2]);
  });

  it('holds no reader back while it waits for the log', async () => {
    await add(outboxOf(), 1);
    const reader = connect<unknown>(config, 'event_log', () => undefined);
    let bounds: { xmin: string; next: string } | undefined;
    const log: EventLog = {
      ...memory(),
      append: async () => {
        const { rows } = await sql<{ xmin: string; next: string }>`
          select pg_snapshot_xmin(pg_current_snapshot())::text as xmin, pg_snapshot_xmax(pg_current_snapshot())::text as next`.execute(
          reader.db,
        );
        bounds = rows[0];
      },
    };
    await new OutboxRelay({ db: service.db, log, schema: service.schema, onError: () => undefined }).sendOnce();
    expect(bounds?.xmin).toBe(bounds?.next);
    await reader.close();
  });

  it('brings a fact from commit to handler within a second on the embedded log', async () => {
    const { log, close } = openLog({ adapter: 'postgres', database: config });
    const relay = new OutboxRelay({ db: service.db, log, schema: service.schema, onError: () => undefined }).start();
    const outbox = new PostgresOutbox({ service: 'study-index', onAdd: () => relay.expect() });
    const { events } = await collect(log, `group-${newId()}`, prefix);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const latencies: number[] = [];
    for (let revision = 1; revision <= 10; revision++) {
      const started = performance.now();
      await add(outbox, revision);
      await until('it arrives', () => events.length === revision);
      latencies.push(performance.now() - started);
    }
    latencies.sort((a, b) => a - b);
    expect(latencies[5]).toBeLessThan(1_000);
    await relay.close();
    await close();
  });
});

describe('what was sent', () => {
  const relayTo = (log: EventLog, sentHours?: number): OutboxRelay =>
    new OutboxRelay({
      db: service.db,
      log,
      schema: service.schema,
      onError: () => undefined,
      ...(sentHours === undefined ? {} : { sentHours }),
    });
  const hourAgo = (): Date => new Date(Date.now() - 3_600_000);

  it('goes again to a log that lost it, with its ids and before what waits, and only since then', async () => {
    const outbox = outboxOf();
    const lost = memory();
    await add(outbox, 1);
    await relayTo(lost, 24).sendOnce();
    await sql`update sent set sent_at = now() - interval '2 hours'`.execute(service.db);
    await add(outbox, 2, 3);
    await relayTo(lost, 24).sendOnce();
    await add(outbox, 4);

    expect(await Sent.again(service.db, hourAgo())).toBe(2);
    const fresh = memory();
    await relayTo(fresh, 24).sendOnce();
    expect(fresh.events.map(revisionOf)).toEqual([2, 3, 4]);
    expect(fresh.events.slice(0, 2)).toEqual(lost.events.slice(1));
    // And once more: what was sent again is kept again.
    expect(await Sent.again(service.db, hourAgo())).toBe(3);
  });

  it('refuses nobody while it goes again, however much it is', async () => {
    const outbox = outboxOf(5);
    await add(outbox, 1, 2, 3, 4);
    await relayTo(memory(), 24).sendOnce();
    await add(outbox, 5, 6, 7, 8);
    await relayTo(memory(), 24).sendOnce();
    await Sent.again(service.db, hourAgo());
    const writer = outboxOf(5);
    await add(writer, 9, 10, 11, 12, 13);
    await expect(add(outboxOf(5), 14)).rejects.toThrow(OutboxFullError);
    const log = memory();
    await relayTo(log, 24).sendOnce();
    expect(log.events.map(revisionOf)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    await add(outboxOf(5), 14);
  });

  it('stays while a log is away, however long: it may have lost what it took last', async () => {
    await add(outboxOf(), 1, 2);
    await relayTo(memory(), 24).sendOnce();
    await sql`update sent set sent_at = now() - interval '70 hours'`.execute(service.db);
    expect(await Sent.prune(service.db, 24)).toBe(0);
    expect(await Sent.again(service.db, new Date(0))).toBe(2);
  });

  it('is forgotten after its hours, and not kept for a log that is lost with the database', async () => {
    const outbox = outboxOf();
    await add(outbox, 1);
    await relayTo(memory(), 24).sendOnce();
    await sql`update sent set sent_at = now() - interval '25 hours'`.execute(service.db);
    await add(outbox, 2);
    await relayTo(memory(), 24).sendOnce();
    expect(await Sent.prune(service.db, 24)).toBe(1);
    await add(outbox, 3);
    await relayTo(memory()).sendOnce();
    expect(await Sent.again(service.db, new Date(0))).toBe(1);
  });

  it('is gone, the last of it too, where nothing is to be kept any more', async () => {
    await add(outboxOf(), 1, 2);
    await relayTo(memory(), 24).sendOnce();
    expect(await Sent.prune(service.db, 0)).toBe(2);
    expect(await Sent.again(service.db, new Date(0))).toBe(0);
  });
});

describe('inbox', () => {
  it('knows an event per group, and forgets it with the rolled back effect', async () => {
    const event = { id: newId() };
    const once = (group: string): Promise<boolean> =>
      service.db.transaction().execute((trx) => Inbox.once(trx, group, event));
    await expect(
      service.db.transaction().execute(async (trx) => {
        expect(await Inbox.once(trx, 'a', event)).toBe(true);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect([await once('a'), await once('a'), await once('b')]).toEqual([true, false, true]);
  });

  it('outlives every topic, and is pruned after that', async () => {
    expect(inboxRetentionDays).toBeGreaterThan(
      Math.max(...Object.values(topics).map(({ retentionDays }) => retentionDays)),
    );
    const once = (id: string): Promise<boolean> =>
      service.db.transaction().execute((trx) => Inbox.once(trx, 'a', { id }));
    await once('old');
    await once('young');
    await sql`update inbox set received_at = now() - make_interval(days => ${inboxRetentionDays + 1}::int) where event_id = 'old'`.execute(
      service.db,
    );
    expect(await Inbox.prune(service.db)).toBe(1);
    expect([await once('old'), await once('young')]).toEqual([true, false]);
  });
});

describe('parked work', () => {
  it('is mirrored once to the dead-letter topic of a catalogued group, with its id and error code', async () => {
    const outbox = outboxOf();
    const store = new ParkedStore(service.db, outbox);
    const log = memory();
    const event = fact(`${prefix}k`, 1);
    const handle = withPolicy({
      group: 'identity-mapping',
      parked: store,
      dispatch: () => Promise.reject(new Error('a defect')),
    });
    await handle(event);
    await handle(event);
    await new OutboxRelay({ db: service.db, log, schema: service.schema, onError: () => undefined }).sendOnce();
    expect(log.events).toEqual([{ ...event, topic: `${topic.name}.identity-mapping.dlq`, errorCode: 'internal' }]);
    expect(topicConfigs([topic as never], 3).map((entry) => entry.topic)).toContain(log.events[0]?.topic);
    expect(await store.list('identity-mapping')).toHaveLength(1);
  });

  it('of a group outside the catalogue, or too large for the log, never stands in the way of the outbox', async () => {
    const store = new ParkedStore(service.db, outboxOf());
    await store.park('somebody-else', fact(`${prefix}k`, 1), 'x');
    await store.park('identity-mapping', fact(`${prefix}k`, 2, { value: 'x'.repeat(1_000_000) }), 'x');
    expect((await sql`select 1 from outbox`.execute(service.db)).rows).toEqual([]);
    expect(await store.list('identity-mapping')).toHaveLength(1);
  });

  it('that was dropped stays given up when the log gives it again', async () => {
    const store = new ParkedStore(service.db, outboxOf());
    const event = fact(`${prefix}k`, 1);
    await store.park('identity-mapping', event, 'x');
    await store.drop(
      { group: 'identity-mapping', topic: topic.name, key: event.key },
      { droppedBy: 'me', reason: 'why' },
    );
    const once = (group: string): Promise<boolean> =>
      service.db.transaction().execute((trx) => Inbox.once(trx, group, event));
    expect([await once('identity-mapping'), await once('another')]).toEqual([false, true]);
    expect(await store.park('identity-mapping', event, 'x')).toBe(false);
  });

  it('tells of many keys at once which have some', async () => {
    const store = new ParkedStore(service.db, outboxOf());
    const [held, free] = [fact(`${prefix}k`, 1), fact(`${prefix}l`, 1)];
    await store.park('g', held, 'x');
    await store.park('another', free, 'x');
    expect(await store.held('g', [held, free, held])).toEqual([{ topic: topic.name, key: held.key }]);
    expect(await store.held('g', [])).toEqual([]);
  });

  it('lets one replay of a key run at a time', async () => {
    const store = new ParkedStore(service.db, outboxOf());
    const parked = { group: 'g', topic: topic.name, key: `${prefix}k` };
    await store.park('g', fact(parked.key, 1), 'x');
    let second: unknown;
    const outcome = await store.replay(parked, async () => {
      second = await store.replay(parked, () => Promise.resolve()).catch((error: unknown) => error);
    });
    expect(outcome).toEqual({ replayed: 1, left: 0 });
    expect(second).toMatchObject({ code: 'event-log.replay-running', kind: 'conflict' });
  });

  it('delivers the event again when parking itself fails', async () => {
    const broken = connect<unknown>(config, 'nowhere', () => undefined);
    const store = new ParkedStore(broken.db, outboxOf());
    const handle = withPolicy({ group: 'g', parked: store, dispatch: () => Promise.resolve() });
    await expect(handle(fact(`${prefix}k`, 1))).rejects.toThrow();
    await broken.close();
  });
});

describe('a subscription that cannot go on', () => {
  it('tells onCrash when no waiting will mend it', async () => {
    const own = await postgres.createDatabase();
    await migrateLog(own);
    const admin = connect<unknown>(own, 'event_log', () => undefined);
    const log = new PostgresEventLog({ db: admin.db, onError: () => undefined });
    let crash: Error | undefined;
    await log.subscribe({
      group: 'g',
      topics: [topic.name],
      from: 'earliest',
      handler: () => Promise.resolve(),
      onCrash: (error) => (crash = error),
    });
    await sql`drop table event_log.events`.execute(admin.db);
    await until('the crash', () => crash !== undefined);
    await log.close();
    await admin.close();
  });
});
