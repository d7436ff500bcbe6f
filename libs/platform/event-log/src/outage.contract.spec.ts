import { setTimeout as sleep } from 'node:timers/promises';
import { CallosumError, newId } from '@callosum/kernel';
import type { Database, DatabaseConfig } from '@callosum/database';
import { orSkip, startKafka, startPostgres, type TestKafka, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { KafkaEventLog, type LogEvent, ParkedStore, PostgresOutbox, withPolicy } from './index.js';
import { fact, revisionOf, topic, until } from './test-support/collect.js';
import { type LogTarget, migrateLog, openLog, openService } from './test-support/logs.js';

/** The real policy at a hundredth of its pauses: five attempts are over in a tenth of a second. */
const backoff = { attemptsMax: 5, initialMs: 5, capMs: 20, outageCapMs: 100 };
const away = (): CallosumError => new CallosumError('fhir.unavailable', 'unavailable', 'away');

let postgres: TestPostgres;
let database: DatabaseConfig;
let service: Database<unknown>;
beforeAll(async () => {
  postgres = await startPostgres();
  database = await postgres.createDatabase();
  await migrateLog(database);
  service = await openService(database, 'outages');
});
afterAll(async () => {
  await service?.close();
  await postgres?.stop();
});

describe('Postgres log', () => outages(() => ({ adapter: 'postgres', database })));

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
    await log.close();
  });
  outages(() => ({ adapter: 'kafka', brokers: kafka.brokers }));
});

/** A dependency that is away, and one that only seems so. */
function outages(target: () => LogTarget): void {
  let prefix: string;
  let group: string;
  let parked: ParkedStore;
  beforeEach(() => {
    prefix = `${newId()}-`;
    group = `group-${newId()}`;
    parked = new ParkedStore(service.db, new PostgresOutbox({ service: 'study-index' }));
  });

  /** A member whose handler fails as long as `fails` says so. */
  async function member(fails: (event: LogEvent) => boolean) {
    const { log, close } = openLog(target());
    const handled: LogEvent[] = [];
    let attempts = 0;
    const dispatch = (event: LogEvent): Promise<void> => {
      attempts++;
      if (fails(event)) return Promise.reject(away());
      handled.push(event);
      return Promise.resolve();
    };
    const policy = withPolicy({ group, parked, dispatch, backoff });
    const subscription = await log.subscribe({
      group,
      topics: [topic.name],
      from: 'earliest',
      onCrash: (error) => {
        throw error;
      },
      // Suites share topics, not keys.
      handler: (event, lost) => (event.key.startsWith(prefix) ? policy(event, lost) : Promise.resolve()),
    });
    return { log, subscription, handled, attempts: () => attempts, close };
  }

  const ofKey = (events: readonly LogEvent[], key: string): number[] =>
    events.filter((event) => event.key === key).map(revisionOf);

  it('parks nothing in an outage, however long, and goes on in order after it', async () => {
    let isAway = true;
    const { log, handled, attempts, close } = await member(() => isAway);
    const keys = Array.from({ length: 24 }, (_, i) => `${prefix}${i}`);
    for (const revision of [1, 2, 3]) await log.append(keys.map((key) => fact(key, revision)));
    // Beyond the session and the leases of these members (3 s, 1 s): who waits keeps its partitions.
    await sleep(5_000);
    const before = attempts();
    expect(before).toBeGreaterThan(4 * backoff.attemptsMax);
    await until('further attempts', () => attempts() > before);
    expect(await parked.list(group)).toEqual([]);
    isAway = false;
    await until('all of them', () => handled.length >= 72);
    expect(await parked.list(group)).toEqual([]);
    for (const key of keys) expect(ofKey(handled, key)).toEqual([1, 2, 3]);
    await close();
  }, 60_000);

  it('parks a fact that alone says it meets an outage, and what its partition holds goes on', async () => {
    const poisoned = `${prefix}poisoned`;
    const { log, handled, close } = await member(({ key }) => key === poisoned);
    const keys = Array.from({ length: 36 }, (_, i) => `${prefix}${i}`);
    await log.append([fact(poisoned, 1), ...keys.map((key) => fact(key, 1)), fact(poisoned, 2)]);
    await until('both of its key to be parked', async () => (await parked.list(group)).length === 2);
    await until('all others', () => handled.length >= 36);
    expect((await parked.list(group)).map(({ event, errorCode }) => [event.key, revisionOf(event), errorCode])).toEqual(
      [
        [poisoned, 1, 'fhir.unavailable'],
        [poisoned, 2, 'event-log.behind-parked'],
      ],
    );
    for (const key of keys) expect(ofKey(handled, key)).toEqual([1]);
    await close();
  }, 60_000);

  it('lets go of what waits when it is closed, unparked, and the next member handles it', async () => {
    const first = await member(() => true);
    await first.log.append([1, 2].map((revision) => fact(`${prefix}k`, revision)));
    await until('more attempts than park', () => first.attempts() > 2 * backoff.attemptsMax);
    const attempts = await first.subscription.close().then(() => first.attempts());
    await sleep(500);
    expect(first.attempts()).toBe(attempts);
    const second = await member(() => false);
    await until('both', () => second.handled.length >= 2);
    expect(ofKey(second.handled, `${prefix}k`)).toEqual([1, 2]);
    expect(await parked.list(group)).toEqual([]);
    await first.close();
    await second.close();
  }, 60_000);
}
