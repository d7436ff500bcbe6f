import { connect, type Database, type DatabaseConfig } from '@callosum/database';
import { type EventLog, KafkaEventLog, PostgresEventLog } from '@callosum/event-log';
import { FileObjectStore, type ObjectStore, S3ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';

import { databaseTls } from './database-settings.js';
import type { ServiceDefinition } from './definition.js';
import { kafkaSecurity } from './kafka-settings.js';
import { onceItAnswers } from './once-it-answers.js';
import { eventLogSchema } from './roles.js';
import { s3Options } from './s3-settings.js';
import type { PlatformSettings } from './settings.js';

/** A pool under the service's role whose connections see `schema` first. @throws {SettingsError} for TLS that cannot be */
export function openDatabase(
  schema: string,
  role: string,
  settings: PlatformSettings,
  logger: Logger,
): Database<never> {
  const tls = databaseTls(settings);
  const config: DatabaseConfig = {
    ...(tls ? { tls } : {}),
    host: settings.CALLOSUM_DATABASE_HOST,
    port: settings.CALLOSUM_DATABASE_PORT,
    database: settings.CALLOSUM_DATABASE_NAME,
    user: settings.CALLOSUM_DATABASE_USER ?? role,
    password: settings.CALLOSUM_DATABASE_PASSWORD,
    poolMax: settings.CALLOSUM_DATABASE_POOL_MAX,
    statementTimeoutMs: settings.CALLOSUM_DATABASE_STATEMENT_MS_MAX,
    lockTimeoutMs: settings.CALLOSUM_DATABASE_LOCK_MS_MAX,
    idleInTransactionTimeoutMs: settings.CALLOSUM_DATABASE_IDLE_TRANSACTION_MS_MAX,
    connectTimeoutMs: settings.CALLOSUM_DATABASE_CONNECT_MS_MAX,
  };
  return connect<never>(config, schema, (err) => logger.warn({ err }, 'database.connection-lost'));
}

export interface OpenEventLog {
  readonly log: EventLog;
  close(): Promise<void>;
}

/** Reading, moving the position, appending, and one to spare. */
const logPoolMax = 4;

/**
 * The log the settings name, ready to append. Kafka's missing topics are created from the catalogue, and all are checked;
 * a Kafka that is away is waited for.
 * @throws {UnsafeKafkaError} when acknowledged events could be lost on that Kafka
 */
export async function openEventLog(
  definition: ServiceDefinition,
  settings: PlatformSettings,
  logger: Logger,
): Promise<OpenEventLog> {
  const service = definition.name;
  const tuning = { drainMs: settings.CALLOSUM_DRAIN_GRACE_MS };
  const onError = (err: unknown): void => logger.warn({ err }, 'event-log.trouble');
  if (settings.CALLOSUM_EVENT_LOG === 'postgres') {
    // A pool of its own: handlers that hold all of the service's connections must not keep the log from reading on.
    const pool = openDatabase(
      eventLogSchema,
      definition.schema,
      { ...settings, CALLOSUM_DATABASE_POOL_MAX: logPoolMax },
      logger,
    );
    const log = new PostgresEventLog({ db: pool.db, onError, tuning });
    return { log, close: () => log.close().finally(() => pool.close()) };
  }
  const log = new KafkaEventLog({
    brokers: settings.CALLOSUM_KAFKA_BROKERS.split(',').map((broker) => broker.trim()),
    clientId: `callosum-${service}`,
    security: kafkaSecurity(settings),
    tuning: {
      sessionTimeoutMs: settings.CALLOSUM_KAFKA_SESSION_MS,
      drainMs: settings.CALLOSUM_KAFKA_DRAIN_MS,
      concurrencyMax: settings.CALLOSUM_KAFKA_PARTITIONS_AT_ONCE,
    },
    onError,
    // kafkajs' entries name topics, groups and brokers; never values.
    onLog: ({ namespace, log: { message } }) => logger.debug({ namespace, message }, 'kafka.log'),
  });
  const smallSite = settings.CALLOSUM_KAFKA_SMALL_SITE;
  if (smallSite) logger.warn({}, 'kafka.small-site');
  const ensureTopics = (): Promise<void> =>
    log.ensureTopics({
      replicationFactor: settings.CALLOSUM_KAFKA_REPLICATION,
      smallSite,
      onDifference: (difference) => logger.warn({ ...difference }, 'kafka.difference'),
    });
  try {
    await onceItAnswers(ensureTopics, { ping: () => log.ping(), onError });
  } catch (error) {
    await log.close();
    throw error;
  }
  return { log, close: () => log.close() };
}

export function openObjectStore(settings: PlatformSettings): ObjectStore {
  if (settings.CALLOSUM_OBJECT_STORE === 'files') {
    return new FileObjectStore({
      root: settings.CALLOSUM_OBJECT_STORE_DIR,
      diskFreeBytesMin: settings.CALLOSUM_DISK_FREE_BYTES_MIN,
    });
  }
  return new S3ObjectStore({
    ...s3Options(settings),
    region: settings.CALLOSUM_S3_REGION,
    bucket: settings.CALLOSUM_S3_BUCKET,
    ...(settings.CALLOSUM_S3_ENDPOINT ? { endpoint: settings.CALLOSUM_S3_ENDPOINT } : {}),
    ...(settings.CALLOSUM_S3_ACCESS_KEY_ID ? { accessKeyId: settings.CALLOSUM_S3_ACCESS_KEY_ID } : {}),
    ...(settings.CALLOSUM_S3_SECRET_ACCESS_KEY ? { secretAccessKey: settings.CALLOSUM_S3_SECRET_ACCESS_KEY } : {}),
  });
}
