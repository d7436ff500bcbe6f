import { authSettings } from '@callosum/auth';
import { flag, port, wholeNumber } from '@callosum/config';
import { databaseDefaults } from '@callosum/database';
import { eventWaitSecondsDefault, outboxRowsMaxDefault, sentHoursDefault } from '@callosum/event-log';
import { z } from 'zod';

import { databaseTlsSettings } from './database-settings.js';
import { kafkaSettings } from './kafka-settings.js';
import { s3Settings } from './s3-settings.js';

/** What every service reads, whatever it does. Keys are the environment variables. */
export const platformSettings = z.object({
  CALLOSUM_SITE: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
    .default('default')
    .describe('Name of the site; stands in every envelope, row and blob key'),
  CALLOSUM_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace'])
    .default('info')
    .describe('Least severity that is logged'),
  CALLOSUM_DRAIN_GRACE_MS: wholeNumber(0, 600_000)
    .default(20_000)
    .describe(
      'How long running work may go on after SIGTERM, in milliseconds; what is left is abandoned and closed within 5 s more. ' +
        'Both together stay below the grace of the process manager (30 s in Kubernetes)',
    ),
  CALLOSUM_HTTP_HOST: z.string().default('127.0.0.1').describe('Address the HTTP port binds to'),
  CALLOSUM_HTTP_PORT: port().default(8080).describe('HTTP port'),
  CALLOSUM_METRICS_HOST: z.string().default('127.0.0.1').describe('Address the metrics port binds to'),
  CALLOSUM_METRICS_PORT: port()
    .optional()
    .describe(
      'Port of /metrics and of the probes beside those on the HTTP port; 9464 when not set and HTTP asks for authentication or is not on loopback, else /metrics is on the HTTP port',
    ),
  CALLOSUM_METRICS_ALLOW_REMOTE: flag()
    .default(false)
    .describe(
      '"true" lets the metrics port, which asks nobody who they are, bind to another address than loopback; keep it to the network of the monitoring',
    ),
  CALLOSUM_INTERNAL_GRPC: z
    .string()
    .default('127.0.0.1:0')
    .describe('Address the internal gRPC server binds to: host:port, or unix:path'),
  CALLOSUM_STUDY_INDEX_GRPC: z.string().default('127.0.0.1:50061').describe('Where study-index answers'),
  CALLOSUM_IDENTITY_GRPC: z.string().default('127.0.0.1:50062').describe('Where identity-mapping answers'),
  CALLOSUM_INFERENCE_GRPC: z
    .string()
    .default('127.0.0.1:50063')
    .describe("Where inference-orchestrator answers (vendors' credentials)"),
  CALLOSUM_FHIR_URL: z
    .url()
    .default('http://127.0.0.1:8080/fhir')
    .describe('Base URL of the FHIR server results are published to'),
  CALLOSUM_PUBLIC_URL: z
    .url()
    // It stands in pages, styles and scripts, and before all paths.
    .refine(hasPlainPath, { message: 'has no query, and a path of letters, digits, "-", ".", "_" and "~" only' })
    .default('http://127.0.0.1:8080')
    .describe(
      'Base URL under which people and EHRs reach this site; stands in Endpoint and links. Its path, if it has one, stands before all paths: a proxy may take it off or leave it on',
    ),
  CALLOSUM_DATABASE_HOST: z.string().default('127.0.0.1').describe('PostgreSQL host'),
  CALLOSUM_DATABASE_PORT: port().default(5432).describe('PostgreSQL port'),
  CALLOSUM_DATABASE_NAME: z.string().default('callosum').describe('PostgreSQL database'),
  CALLOSUM_DATABASE_USER: z.string().optional().describe("Role of the service; its schema's name when not set"),
  CALLOSUM_DATABASE_PASSWORD: z.string().default('').describe('Password of that role'),
  ...databaseTlsSettings,
  CALLOSUM_DATABASE_POOL_MAX: wholeNumber(2, 100)
    .default(databaseDefaults.poolMax)
    .describe(
      'Connections of one pool. A replica has a pool of its own, one for the archive where it stores, 4 for a log in PostgreSQL, and one connection for its probe',
    ),
  CALLOSUM_DATABASE_STATEMENT_MS_MAX: wholeNumber(1_000, 3_600_000)
    .default(databaseDefaults.statementTimeoutMs)
    .describe(
      'A statement that runs longer, in milliseconds, is ended (statement_timeout), so that its locks go. A server that says nothing for 5 s more is taken for gone, and the connection is closed',
    ),
  CALLOSUM_DATABASE_LOCK_MS_MAX: wholeNumber(100, 600_000)
    .default(databaseDefaults.lockTimeoutMs)
    .describe(
      'A statement that waits longer for a lock, in milliseconds, is ended and tried again later (lock_timeout)',
    ),
  CALLOSUM_DATABASE_IDLE_TRANSACTION_MS_MAX: wholeNumber(1_000, 600_000)
    .default(databaseDefaults.idleInTransactionTimeoutMs)
    .describe(
      'A transaction that does nothing for longer, in milliseconds, is ended with its connection (idle_in_transaction_session_timeout): it would hold up outboxes and the log',
    ),
  CALLOSUM_DATABASE_CONNECT_MS_MAX: wholeNumber(100, 600_000)
    .default(databaseDefaults.connectTimeoutMs)
    .describe(
      'What waits longer for a connection, in milliseconds, a new one or one of the pool, fails and is tried again later',
    ),
  CALLOSUM_EVENT_LOG: z.enum(['postgres', 'kafka']).default('postgres').describe('Where events go'),
  ...kafkaSettings,
  CALLOSUM_OUTBOX_ROWS_MAX: wholeNumber(1_000, 10_000_000)
    .default(outboxRowsMaxDefault)
    .describe('Events that may wait in one outbox for the log; beyond, what would add one is refused (A700, 503)'),
  CALLOSUM_EVENT_WAIT_SECONDS: wholeNumber(1, 600)
    .default(eventWaitSecondsDefault)
    .describe(
      'How long a consumer tries a fact again in place when something it needs is away, from the first failure on; then it sets the fact aside and tries it again from there. ' +
        'Longer than a failover takes, or each one sets facts aside; meanwhile the partition stands still',
    ),
  CALLOSUM_SENT_HOURS: wholeNumber(0, 24 * 31)
    .default(sentHoursDefault)
    .describe(
      'Facts that Kafka has taken are kept in the database for so many hours: `announce` sends them again to a Kafka that lost its data. 0: not at all',
    ),
  CALLOSUM_OBJECT_STORE: z.enum(['files', 's3']).default('files').describe('Where blobs are kept'),
  CALLOSUM_CONFLICTS: z
    .enum(['keep', 'refuse'])
    .default('keep')
    .describe(
      'An object with other pixels, or of another study, under a known SOPInstanceUID: kept beside the first, or refused (C000), also where the two cannot be compared. Either way a person is told',
    ),
  CALLOSUM_OBJECT_STORE_DIR: z.string().default('.callosum/objects').describe('Folder of the blobs (files)'),
  CALLOSUM_DISK_FREE_BYTES_MIN: wholeNumber(0, Number.MAX_SAFE_INTEGER)
    .default(1_073_741_824)
    .describe('Below this much free space writes are refused and reads served (files)'),
  CALLOSUM_S3_ENDPOINT: z.url().optional().describe("Base URL of an S3-compatible server; Amazon's when not set"),
  CALLOSUM_S3_REGION: z.string().default('us-east-1').describe('S3 region'),
  CALLOSUM_S3_BUCKET: z.string().default('callosum').describe('S3 bucket, which exists'),
  CALLOSUM_S3_ACCESS_KEY_ID: z.string().optional().describe('S3 access key; the usual AWS sources when not set'),
  CALLOSUM_S3_SECRET_ACCESS_KEY: z.string().optional().describe('S3 secret key'),
  ...s3Settings,
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url()
    .optional()
    .describe('Base URL of an OTLP/HTTP collector for traces; none are exported without it'),
  ...authSettings.shape,
});
export type PlatformSettings = z.output<typeof platformSettings>;

function hasPlainPath(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { pathname, search, hash } = new URL(url);
  return search === '' && hash === '' && /^(\/[\w.~-]+)*\/*$/.test(pathname);
}
