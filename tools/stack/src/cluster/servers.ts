import {
  startKafka,
  startKafkaCluster,
  startPostgres,
  startS3,
  startSecureKafka,
  type TestKafka,
  type TestKafkaCluster,
  type TestPostgres,
  type ScramListener,
  type TestS3,
} from '@callosum/testing';

/** How often the controller gives leaders back to their preferred brokers, in seconds: soon after one is back. */
const preferredLeadersEverySeconds = 3;

/** What every service needs to be there. */
export interface Servers {
  readonly kafka: TestKafka;
  /** The same, where it is three brokers. */
  readonly kafkaCluster: TestKafkaCluster | undefined;
  /** Its listener where clients prove who they are. */
  readonly scram: ScramListener | undefined;
  readonly postgres: TestPostgres;
  readonly s3: TestS3;
}

export interface ServersOptions {
  readonly brokers?: 1 | 3;
  readonly s3Dir?: string;
  /** Whether brokers ask services for a password over TLS. */
  readonly secure?: boolean;
}

/** Starts them beside each other; where one fails the others are stopped. */
export async function startServers({ brokers = 1, s3Dir, secure = false }: ServersOptions): Promise<Servers> {
  const cluster = brokers === 3 ? startKafkaCluster({ preferredLeadersEverySeconds, secure }) : undefined;
  const secured = secure && !cluster ? startSecureKafka() : undefined;
  const started = await Promise.allSettled([
    cluster ?? secured ?? startKafka(),
    startPostgres(),
    startS3(s3Dir ? { dir: s3Dir } : {}),
  ]);
  const [kafka, postgres, s3] = started;
  if (kafka.status === 'fulfilled' && postgres.status === 'fulfilled' && s3.status === 'fulfilled') {
    const kafkaCluster = await cluster;
    const scram = kafkaCluster?.secure ?? (await secured);
    return { kafka: kafka.value, kafkaCluster, scram, postgres: postgres.value, s3: s3.value };
  }
  for (const server of started) if (server.status === 'fulfilled') await server.value.stop();
  throw started.find((server) => server.status === 'rejected')?.reason;
}

/** The servers as settings of a service. */
export function serverSettings({ kafka, postgres: { admin }, s3 }: Servers): NodeJS.ProcessEnv {
  return {
    CALLOSUM_EVENT_LOG: 'kafka',
    CALLOSUM_KAFKA_BROKERS: kafka.brokers.join(','),
    CALLOSUM_KAFKA_REPLICATION: String(Math.min(kafka.brokers.length, 3)),
    CALLOSUM_KAFKA_SMALL_SITE: String(kafka.brokers.length < 3),
    CALLOSUM_OBJECT_STORE: 's3',
    CALLOSUM_S3_ENDPOINT: s3.endpoint,
    CALLOSUM_S3_REGION: s3.region,
    CALLOSUM_S3_BUCKET: s3.bucket,
    CALLOSUM_S3_ACCESS_KEY_ID: s3.accessKeyId,
    CALLOSUM_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    CALLOSUM_DATABASE_HOST: admin.host,
    CALLOSUM_DATABASE_PORT: String(admin.port),
    CALLOSUM_DATABASE_NAME: admin.database,
  };
}
