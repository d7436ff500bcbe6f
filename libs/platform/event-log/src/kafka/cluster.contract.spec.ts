import { setTimeout as sleep } from 'node:timers/promises';
import { topicCatalogue } from '@callosum/contracts';
import type { DatabaseConfig } from '@callosum/database';
import { CallosumError, newId } from '@callosum/kernel';
import { orSkip, startKafkaCluster, startPostgres, type TestKafkaCluster, type TestPostgres } from '@callosum/testing';
import kafkajs, { type Admin } from 'kafkajs';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import {
  Inbox,
  ParkedStore,
  PostgresOutbox,
  withPolicy,
  type EventHandler,
  type EventLog,
  type LogEvent,
} from '../index.js';
import { fact, revisionOf, topic, until } from '../test-support/collect.js';
import { openLog, openService } from '../test-support/logs.js';
import { KafkaEventLog } from './log.js';
import type { TopicDifference } from './topic-difference.js';

const quiet = (): void => undefined;
const dayMs = 86_400_000;

describe('Kafka on three brokers', async () => {
  const { server, missing } = await orSkip<TestKafkaCluster>(startKafkaCluster);
  if (!server) {
    it.skip(missing, () => undefined);
    return;
  }
  const cluster = server;
  let postgres: TestPostgres;
  let database: DatabaseConfig;
  let admin: Admin;
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
    database = await postgres.createDatabase();
    admin = new kafkajs.Kafka({ brokers: [...cluster.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await admin.disconnect();
    await Promise.all([cluster.stop(), postgres.stop()]);
  });

  const open = (tuning: { drainMs?: number; sessionTimeoutMs?: number; concurrencyMax?: number } = {}): EventLog => {
    const { log, close } = openLog({ adapter: 'kafka', brokers: cluster.brokers, tuning });
    closing.push(close);
    return log;
  };
  const ensure = async (smallSite = false): Promise<TopicDifference[]> => {
    const found: TopicDifference[] = [];
    const log = new KafkaEventLog({ brokers: cluster.brokers, clientId: 'ensure', onError: quiet });
    const onDifference = (difference: TopicDifference): unknown => found.push(difference);
    await log.ensureTopics({ replicationFactor: 3, smallSite, onDifference }).finally(() => log.close());
    return found;
  };
  const alter = (name: string, configEntries: readonly { name: string; value: string }[]): Promise<unknown> =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configEntries: [...configEntries] }],
    });

  /** A change reaches every broker after a moment, and any of them may be asked. */
  const difference = async (): Promise<string> =>
    JSON.stringify(await ensure().catch((error: unknown) => (error as { differences?: unknown }).differences ?? []));
  const twice = async (condition: (found: string) => boolean): Promise<boolean> =>
    condition(await difference()) && condition(await difference()) && condition(await difference());
  const told = (setting: string): Promise<void> =>
    until(`${setting} is told`, () => twice((found) => found.includes(`"${setting}"`)));
  const fine = (): Promise<void> => until('nothing is told', () => twice((found) => found === '[]'));

  it('makes every topic replicated, and finds nothing to say about what it made', async () => {
    expect(await ensure()).toEqual([]);
    const { topics } = await admin.fetchTopicMetadata({ topics: topicCatalogue.map(({ name }) => name) });
    for (const { partitions } of topics) expect(partitions.every(({ replicas }) => replicas.length === 3)).toBe(true);
  });

  it.each([
    ['compacts', 'cleanup.policy', 'compact', 'delete'],
    ['forgets sooner than the catalogue says', 'retention.ms', String(dayMs), String(14 * dayMs)],
    ['forgets by size', 'retention.bytes', '1000000', '-1'],
    ['keeps by the clock of whoever writes', 'message.timestamp.type', 'CreateTime', 'LogAppendTime'],
    ['takes no event of the largest size', 'max.message.bytes', '500000', '1048588 or more'],
  ])('refuses to start, small site or not, on a topic that %s', async (_, setting, found, wanted) => {
    await alter(topic.name, [{ name: setting, value: found }]);
    await told(setting);
    const error: unknown = await ensure(true).catch((caught: unknown) => caught);
    await alter(topic.name, settingsOfTopic);
    expect(error).toMatchObject({ code: 'event-log.unsafe-kafka' });
    expect((error as Error).message).toContain(`${topic.name}: ${setting} is ${found}, must be ${wanted}`);
    await fine();
  });

  it.each([
    ['min.insync.replicas', '1'],
    ['unclean.leader.election.enable', 'true'],
  ])('refuses to start in production when %s is %s, and tells a small site', async (setting, value) => {
    const others = settingsOfTopic.filter(({ name }) => name !== setting);
    await alter(topic.name, [...others, { name: setting, value }]);
    await told(setting);
    await expect(ensure()).rejects.toThrow(`${topic.name}: ${setting} is ${value}`);
    await expect(ensure()).rejects.toThrow('CALLOSUM_KAFKA_SMALL_SITE');
    expect(await ensure(true)).toMatchObject([{ where: topic.name, setting, danger: 'unreplicated' }]);
    await alter(topic.name, settingsOfTopic);
    await fine();
  });

  it('refuses a topic on one broker, and brokers whose defaults are unsafe', async () => {
    const other = topicCatalogue.find(({ name }) => name !== topic.name)?.name ?? '';
    await admin.deleteTopics({ topics: [other] });
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(other));
    await admin.createTopics({
      topics: [{ topic: other, numPartitions: 3, replicationFactor: 1, configEntries: [...settingsOfTopic] }],
      waitForLeaders: false,
    });
    await told('replication factor');
    await expect(ensure()).rejects.toThrow(`${other}: replication factor is 1, must be 3 or more`);
    expect(await ensure(true)).toMatchObject([
      { where: other, setting: 'partitions', found: '3', danger: 'differs' },
      { where: other, setting: 'replication factor', danger: 'unreplicated' },
      { where: other, setting: 'min.insync.replicas', danger: 'differs' },
    ]);
    await admin.deleteTopics({ topics: [other] });
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(other));

    const broker = { type: kafkajs.ConfigResourceTypes.BROKER, name: '1' };
    const set = (value: string): Promise<unknown> =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...broker, configEntries: [{ name: 'unclean.leader.election.enable', value }] }],
      });
    await set('true');
    await told('unclean.leader.election.enable');
    await expect(ensure()).rejects.toThrow('broker 1: unclean.leader.election.enable is true, must be false');
    await set('false');
    await fine();
  });

  describe('a rebalance in the middle of handlers', () => {
    interface Member {
      readonly began: string[];
      readonly ended: string[];
      readonly release: () => void;
      readonly log: EventLog;
      subscribe(): Promise<unknown>;
    }

    /** A service's member: each handler waits to be released, then makes its effect in one transaction with the inbox. */
    async function group(): Promise<{
      member(tuning?: object, fails?: boolean): Member;
      effects(): Promise<string[]>;
      parked: ParkedStore;
      name: string;
      prefix: string;
    }> {
      const name = `group-${newId()}`;
      const prefix = `${newId()}-`;
      const service = await openService(database, `s_${newId().replaceAll('-', '')}`);
      closing.push(() => service.close());
      const parked = new ParkedStore(service.db, new PostgresOutbox({ service: 'study-index' }));
      const member = (tuning = {}, fails = false): Member => {
        const log = open({ sessionTimeoutMs: 6_000, concurrencyMax: 12, ...tuning });
        const [began, ended]: [string[], string[]] = [[], []];
        let release = quiet;
        const released = new Promise<void>((resolve) => (release = resolve));
        const dispatch: EventHandler = async (event) => {
          if (!event.key.startsWith(prefix)) return;
          began.push(event.id);
          await released;
          if (fails) throw new CallosumError('test.invalid', 'invalid', 'as the test wants it');
          await service.db.transaction().execute(async (trx) => {
            if (!(await Inbox.once(trx, name, event))) return;
            await sql`insert into effects (event_id, note) values (${event.id}, 'x')`.execute(trx);
          });
          ended.push(event.id);
        };
        const handler = withPolicy({ group: name, parked, dispatch });
        const onCrash = (error: Error): never => {
          throw error;
        };
        return {
          began,
          ended,
          log,
          release: () => release(),
          subscribe: () => log.subscribe({ group: name, topics: [topic.name], from: 'earliest', handler, onCrash }),
        };
      };
      const effects = async (): Promise<string[]> =>
        (await sql<{ event_id: string }>`select event_id from effects`.execute(service.db)).rows.map(
          (row) => row.event_id,
        );
      return { member, effects, parked, name, prefix };
    }
    const spread = (prefix: string): LogEvent[] => Array.from({ length: 36 }, (_, i) => fact(`${prefix}${i}`, 1));

    it.each([
      ['succeed late', false],
      ['fail late', true],
    ])(
      'whose partitions move while they run past drainMs gives one effect each, though they %s',
      async (_, fails) => {
        const { member, effects, parked, name, prefix } = await group();
        const slow = member({ drainMs: 1_000 }, fails);
        await slow.subscribe();
        const sent = spread(prefix);
        await slow.log.append(sent);
        await until('handlers run in many partitions', () => slow.began.length >= 3);
        // The assigner may leave all that is held with the member that holds it: of six, each keeps two partitions.
        const others: Member[] = [];
        const moved = (): boolean => others.some(({ ended }) => ended.some((id) => slow.began.includes(id)));
        while (!moved() && others.length < 5) {
          const other = member();
          other.release();
          await other.subscribe();
          others.push(other);
          await until('another member handles what the first one holds', moved, 5_000).catch(quiet);
        }
        expect(moved()).toBe(true);
        // Only now the abandoned handlers go on: their partitions are another generation's.
        slow.release();
        if (fails) {
          // What the slow one still owns after the rebalance it fails, and parks: those are its own.
          await until('every event has an outcome', async () => {
            const known = new Set([...(await effects()), ...(await parked.list(name)).map(({ event }) => event.id)]);
            return known.size === sent.length;
          });
          const done = new Set(await effects());
          expect((await parked.list(name)).filter(({ event }) => done.has(event.id))).toEqual([]);
          expect(done.size).toBeGreaterThan(0);
        } else {
          await until('every effect', async () => new Set(await effects()).size === sent.length);
        }
        await sleep(500);
        const all = await effects();
        expect(all.length).toBe(new Set(all).size);
      },
      60_000,
    );

    it('waits for a handler that ends within drainMs: it is not begun again', async () => {
      const { member, effects, prefix } = await group();
      const first = member({ drainMs: 8_000 });
      await first.log.append(spread(prefix));
      await first.subscribe();
      await until('handlers run', () => first.began.length >= 3);
      const second = member();
      second.release();
      const joining = second.subscribe();
      await sleep(1_500);
      expect(second.began).toEqual([]);
      first.release();
      await joining;
      await until('all', async () => (await effects()).length === 36);
      const began = [...first.began, ...second.began];
      expect(began.length).toBe(new Set(began).size);
    });

    it('closes within drainMs though a handler hangs, leaves, and another member goes on at once', async () => {
      const { member, effects, prefix } = await group();
      const hanging = member({ drainMs: 1_000, sessionTimeoutMs: 30_000 });
      await hanging.subscribe();
      await hanging.log.append([fact(`${prefix}k`, 1), fact(`${prefix}k`, 2)]);
      await until('its handler runs', () => hanging.began.length === 1);
      const started = Date.now();
      await hanging.log.close();
      expect(Date.now() - started).toBeLessThan(15_000);
      const second = member({ sessionTimeoutMs: 30_000 });
      second.release();
      await second.subscribe();
      await until(
        'both effects, long before the session would have ended',
        async () => (await effects()).length === 2,
        10_000,
      );
      hanging.release();
      await sleep(300);
      expect((await effects()).length).toBe(2);
    }, 60_000);
  });

  it('loses no acknowledged event and no order when leaders move under load, and makes one effect each', async () => {
    const service = await openService(database, `s_${newId().replaceAll('-', '')}`);
    closing.push(() => service.close());
    const name = `group-${newId()}`;
    const prefix = `${newId()}-`;
    const writer = open();
    const seen = new Map<string, number[]>();
    const reader = async (): Promise<void> => {
      await open({ sessionTimeoutMs: 6_000 }).subscribe({
        group: name,
        topics: [topic.name],
        from: 'earliest',
        onCrash: (error) => {
          throw error;
        },
        handler: (event) =>
          service.db.transaction().execute(async (trx) => {
            if (!event.key.startsWith(prefix) || !(await Inbox.once(trx, name, event))) return;
            await sql`insert into effects (event_id, note) values (${event.id}, ${event.key})`.execute(trx);
            seen.set(event.key, [...(seen.get(event.key) ?? []), revisionOf(event)]);
          }),
      });
    };
    await reader();
    await reader();
    const acknowledged: string[] = [];
    let revision = 0;
    let failures = 0;
    const killAt = 20;
    let killed: Promise<void> | undefined;
    const leaders = async (): Promise<number[]> =>
      (await admin.fetchTopicMetadata({ topics: [topic.name] })).topics[0]?.partitions.map(({ leader }) => leader) ??
      [];
    const victim = (await leaders()).includes(2) ? 2 : 3;
    expect(await leaders()).toContain(victim);
    while (revision < 60) {
      revision++;
      const batch = Array.from({ length: 24 }, (_, i) => fact(`${prefix}${i}`, revision));
      // As the relay does: the same events again until they are acknowledged.
      for (;;) {
        try {
          await writer.append(batch);
          break;
        } catch {
          failures++;
        }
      }
      acknowledged.push(...batch.map(({ id }) => id));
      if (revision === killAt) killed = cluster.kill(victim);
      await sleep(20);
    }
    await killed;
    await until('the leaders to move', async () => !(await leaders()).includes(victim));
    const effects = async (): Promise<string[]> =>
      (await sql<{ event_id: string }>`select event_id from effects`.execute(service.db)).rows.map(
        (row) => row.event_id,
      );
    await until('every acknowledged event', async () => (await effects()).length >= acknowledged.length, 60_000);
    expect((await effects()).sort()).toEqual([...acknowledged].sort());
    for (const revisions of seen.values()) expect(revisions).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(seen.size).toBe(24);
    process.stdout.write(
      `leader move: ${acknowledged.length} events, ${failures} failed appends, broker ${victim} killed\n`,
    );
  }, 180_000);
});

/** As ensureTopics makes the topic of these tests. */
const settingsOfTopic = [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: String(14 * dayMs) },
  { name: 'retention.bytes', value: '-1' },
  { name: 'message.timestamp.type', value: 'LogAppendTime' },
  { name: 'max.message.bytes', value: '1048588' },
  { name: 'min.insync.replicas', value: '2' },
  { name: 'unclean.leader.election.enable', value: 'false' },
] as const;
