import type { DatabaseConfig } from '@callosum/database';
import { orSkip, startKafka, startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';

import { KafkaEventLog } from '../kafka/log.js';
import { type LogTarget, migrateLog } from './logs.js';

/**
 * Runs a suite on the log in PostgreSQL and on Kafka.
 * @returns the database both have for what a service keeps itself, once the tests run
 */
export function onBothLogs(title: string, suite: (target: () => LogTarget) => void): () => DatabaseConfig {
  let postgres: TestPostgres;
  let database: DatabaseConfig;
  beforeAll(async () => {
    postgres = await startPostgres();
    database = await postgres.createDatabase();
    await migrateLog(database);
  });
  afterAll(() => postgres.stop());

  describe(`${title} on the Postgres log`, () => {
    suite(() => ({ adapter: 'postgres', database }));
  });

  describe(`${title} on the Kafka log`, async () => {
    const { server: kafka, missing } = await orSkip(startKafka);
    if (!kafka) {
      it.skip(missing, () => undefined);
      return;
    }
    beforeAll(async () => {
      const log = new KafkaEventLog({ brokers: kafka.brokers, clientId: 'set-up', onError: () => undefined });
      await log.ensureTopics({ replicationFactor: 1, smallSite: true });
      await log.close();
    });
    afterAll(() => kafka.stop());
    suite(() => ({ adapter: 'kafka', brokers: kafka.brokers }));
  });
  return () => database;
}
