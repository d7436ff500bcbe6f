import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseConfig } from '@callosum/database';
import { newId } from '@callosum/kernel';
import { orSkip, startKafka, startPostgres, type TestKafka, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { KafkaEventLog, OutboxRelay, PostgresOutbox, type LogEvent } from '../index.js';
import { collect, fact, revisionOf, topic, until } from '../test-support/collect.js';
import { openLog, openService } from '../test-support/logs.js';
import { runnerPrototype } from './stopped-runner.js';

describe('what would stop Kafka for good', async () => {
  const { server: kafka, missing } = await orSkip<TestKafka>(startKafka);
  if (!kafka) {
    it.skip(missing, () => undefined);
    return;
  }
  let postgres: TestPostgres;
  let database: DatabaseConfig;
  beforeAll(async () => {
    postgres = await startPostgres();
    database = await postgres.createDatabase();
    const log = new KafkaEventLog({ brokers: kafka.brokers, clientId: 'set-up', onError: () => undefined });
    await log.ensureTopics({ replicationFactor: 1, smallSite: true });
    await log.close();
  });
  afterAll(() => Promise.all([kafka.stop(), postgres.stop()]));

  it('takes more of one key, and of one dead-letter partition, than a batch may hold: all of it, in order', async () => {
    const prefix = `${newId()}-`;
    const errors: unknown[] = [];
    const { log, close } = openLog({ adapter: 'kafka', brokers: kafka.brokers });
    const service = await openService(database, `s_${newId().replaceAll('-', '')}`);
    const onError = (error: unknown): unknown => errors.push(error);
    const outbox = new PostgresOutbox({ service: 'study-index' });
    const large = (key: string, revision: number, bytes: number): LogEvent =>
      fact(key, revision, { value: JSON.stringify({ studyInstanceUid: key, revision, pad: 'x'.repeat(bytes) }) });
    await service.db.transaction().execute(async (trx) => {
      for (let revision = 1; revision <= 40; revision++)
        await outbox.forward(trx, large(`${prefix}k`, revision, 60_000));
      for (const revision of [41, 42]) await outbox.forward(trx, large(`${prefix}k`, revision, 600_000));
      for (let n = 0; n < 20; n++) {
        const parked = { ...large(`${prefix}${n}`, 1, 64_000), topic: `${topic.name}.identity-mapping.dlq` };
        await outbox.forward(trx, { ...parked, errorCode: 'internal' });
      }
    });
    const { events } = await collect(log, `group-${newId()}`, prefix);
    const relay = new OutboxRelay({ db: service.db, log, schema: service.schema, onError }).start();
    await until('the whole outbox is sent', async () => {
      const { rows } = await sql`select 1 from outbox`.execute(service.db);
      return rows.length === 0 || errors.length > 0;
    });
    await until('all of the key', () => events.length >= 42 || errors.length > 0);
    expect(errors).toEqual([]);
    expect(events.map(revisionOf)).toEqual(Array.from({ length: 42 }, (_, i) => i + 1));
    // Also given at once: whoever appends need not know.
    await log.append(Array.from({ length: 40 }, (_, i) => large(`${prefix}k`, 43 + i, 60_000)));
    await until('what was appended at once', () => events.length >= 82);
    expect(events.map(revisionOf)).toEqual(Array.from({ length: 82 }, (_, i) => i + 1));
    await relay.close();
    await close();
    await service.close();
  }, 60_000);

  it('waits out a broker that is away for longer than a consumer may be silent', async () => {
    const prefix = `${newId()}-`;
    const silentMaxMs = 8_000;
    const { log, close } = openLog({ adapter: 'kafka', brokers: kafka.brokers, tuning: { silentMaxMs } });
    const [events, crashes]: [LogEvent[], Error[]] = [[], []];
    await log.subscribe({
      group: `group-${newId()}`,
      topics: [topic.name],
      from: 'earliest',
      onCrash: (error) => crashes.push(error),
      handler: (event) => {
        if (event.key.startsWith(prefix)) events.push(event);
        return Promise.resolve();
      },
    });
    await log.append([fact(`${prefix}k`, 1)]);
    await until('the first', () => events.length === 1);
    await kafka.restart(silentMaxMs * 2);
    await log.append([fact(`${prefix}k`, 2)]);
    await until('what came after', () => new Set(events.map(revisionOf)).size === 2, 60_000);
    expect(crashes).toEqual([]);
    await close();
  }, 180_000);

  it('tells of a consumer that asks for nothing any more though Kafka answers', async () => {
    const silentMaxMs = 2_000;
    const tuning = { silentMaxMs, drainMs: 500 };
    const { log, close } = openLog({ adapter: 'kafka', brokers: kafka.brokers, tuning });
    const crashes: Error[] = [];
    await log.subscribe({
      group: `group-${newId()}`,
      topics: [topic.name],
      from: 'latest',
      onCrash: (error) => crashes.push(error),
      handler: () => Promise.resolve(),
    });
    await sleep(silentMaxMs * 1.5);
    expect(crashes).toEqual([]);
    const { fetch } = runnerPrototype;
    let goOn: () => void = () => undefined;
    const frozen = new Promise<void>((resolve) => (goOn = resolve));
    runnerPrototype.fetch = () => frozen.then(() => []);
    try {
      await until('it is told', () => crashes.length > 0);
    } finally {
      runnerPrototype.fetch = fetch;
      goOn();
    }
    expect(String(crashes[0])).toContain('no sign of life');
    await close();
  }, 60_000);
});
