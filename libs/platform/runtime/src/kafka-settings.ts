import { readFileSync } from 'node:fs';

import { flag, SettingsError, wholeNumber } from '@callosum/config';
import { type KafkaSasl, type KafkaSecurity, type KafkaTls, kafkaDefaults } from '@callosum/event-log';
import { z } from 'zod';

/** Part of every service's settings, read where `CALLOSUM_EVENT_LOG` is `kafka`. */
export const kafkaSettings = {
  CALLOSUM_KAFKA_BROKERS: z.string().default('127.0.0.1:9092').describe('Kafka bootstrap servers, comma-separated'),
  CALLOSUM_KAFKA_REPLICATION: wholeNumber(1, 9).default(3).describe('Replicas of a topic that Callosum creates'),
  CALLOSUM_KAFKA_SMALL_SITE: flag()
    .default(false)
    .describe(
      'true: start although Kafka does not replicate (less than 3 replicas, min.insync.replicas below 2, unclean leader election); what one broker loses is then lost',
    ),
  CALLOSUM_KAFKA_SESSION_MS: wholeNumber(6_000, 300_000)
    .default(kafkaDefaults.sessionTimeoutMs)
    .describe("A crashed replica's partitions go to others after this time; heartbeats are ten times as frequent"),
  CALLOSUM_KAFKA_DRAIN_MS: wholeNumber(0, 30_000)
    .default(kafkaDefaults.drainMs)
    .describe('What a running handler gets to end before its partition is given away, at a rebalance or a stop'),
  CALLOSUM_KAFKA_PARTITIONS_AT_ONCE: wholeNumber(1, 64)
    .default(kafkaDefaults.concurrencyMax)
    .describe('Partitions one replica handles at the same time; each may hold a database connection'),
  CALLOSUM_KAFKA_TLS: flag().default(false).describe('true: TLS to the brokers'),
  CALLOSUM_KAFKA_TLS_CA_FILE: z
    .string()
    .optional()
    .describe(
      "PEM file of the authorities the brokers' certificates come from; the system's own when not set. It and the two below are read again for each connection",
    ),
  CALLOSUM_KAFKA_TLS_CERT_FILE: z.string().optional().describe('PEM file of the client certificate (mTLS)'),
  CALLOSUM_KAFKA_TLS_KEY_FILE: z.string().optional().describe('PEM file of its key'),
  CALLOSUM_KAFKA_SASL: z
    .enum(['none', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'])
    .default('none')
    .describe('How the service proves who it is; anything but none needs CALLOSUM_KAFKA_TLS'),
  CALLOSUM_KAFKA_USERNAME: z.string().optional().describe('SCRAM user'),
  CALLOSUM_KAFKA_PASSWORD: z.string().optional().describe('SCRAM password'),
  CALLOSUM_KAFKA_OAUTH_TOKEN_URL: z
    .url()
    .optional()
    .describe('Token endpoint that gives access tokens for client credentials'),
  CALLOSUM_KAFKA_OAUTH_CLIENT_ID: z.string().optional().describe('OAuth client'),
  CALLOSUM_KAFKA_OAUTH_CLIENT_SECRET: z.string().optional().describe('Its secret'),
  CALLOSUM_KAFKA_OAUTH_SCOPE: z.string().optional().describe('Scope that is asked for'),
};

export type KafkaSettings = z.output<z.ZodObject<typeof kafkaSettings>>;

/**
 * TLS and SASL of the settings. Files are read now, and again for each connection: whoever renews a certificate need not
 * restart who uses it.
 * @throws {SettingsError} naming what is missing, contradicts or cannot be read; never a value
 */
export function kafkaSecurity(settings: KafkaSettings): KafkaSecurity {
  const problems: string[] = [];
  const need = (name: keyof KafkaSettings, because: string): string => {
    const value = settings[name];
    if (typeof value === 'string') return value;
    problems.push(`${name}: is required ${because}`);
    return '';
  };
  const { CALLOSUM_KAFKA_TLS: withTls, CALLOSUM_KAFKA_SASL: mechanism } = settings;
  const tls = withTls ? tlsOf(settings, need, problems) : undefined;
  if (!withTls && mechanism !== 'none') problems.push('CALLOSUM_KAFKA_TLS: must be true with CALLOSUM_KAFKA_SASL');
  for (const name of ['CALLOSUM_KAFKA_TLS_CA_FILE', 'CALLOSUM_KAFKA_TLS_CERT_FILE'] as const)
    if (!withTls && settings[name]) problems.push(`CALLOSUM_KAFKA_TLS: must be true with ${name}`);
  const sasl = mechanism === 'none' ? undefined : saslOf(settings, mechanism, need);
  if (problems.length > 0) throw new SettingsError(problems);
  return { ...(tls ? { tls: reread(settings, tls) } : {}), ...(sasl ? { sasl } : {}) };
}

/** A file that cannot be read while it is exchanged leaves what was known; the next connection looks again. */
function reread(settings: KafkaSettings, first: KafkaTls): () => KafkaTls {
  let known = first;
  return () => {
    const problems: string[] = [];
    const read = tlsOf(settings, () => '', problems);
    if (problems.length === 0) known = read;
    return known;
  };
}

type Need = (name: keyof KafkaSettings, because: string) => string;

function tlsOf(settings: KafkaSettings, need: Need, problems: string[]): KafkaTls {
  const read = (name: keyof KafkaSettings): string => {
    try {
      return readFileSync(String(settings[name]), 'utf8');
    } catch {
      problems.push(`${name}: the file cannot be read`);
      return '';
    }
  };
  const pair = settings.CALLOSUM_KAFKA_TLS_CERT_FILE ?? settings.CALLOSUM_KAFKA_TLS_KEY_FILE;
  if (pair) {
    need('CALLOSUM_KAFKA_TLS_CERT_FILE', 'with CALLOSUM_KAFKA_TLS_KEY_FILE');
    need('CALLOSUM_KAFKA_TLS_KEY_FILE', 'with CALLOSUM_KAFKA_TLS_CERT_FILE');
  }
  return {
    ...(settings.CALLOSUM_KAFKA_TLS_CA_FILE ? { ca: read('CALLOSUM_KAFKA_TLS_CA_FILE') } : {}),
    ...(settings.CALLOSUM_KAFKA_TLS_CERT_FILE ? { cert: read('CALLOSUM_KAFKA_TLS_CERT_FILE') } : {}),
    ...(settings.CALLOSUM_KAFKA_TLS_KEY_FILE ? { key: read('CALLOSUM_KAFKA_TLS_KEY_FILE') } : {}),
  };
}

function saslOf(settings: KafkaSettings, mechanism: KafkaSasl['mechanism'], need: Need): KafkaSasl {
  const because = `with CALLOSUM_KAFKA_SASL=${mechanism}`;
  if (mechanism !== 'oauthbearer')
    return {
      mechanism,
      username: need('CALLOSUM_KAFKA_USERNAME', because),
      password: need('CALLOSUM_KAFKA_PASSWORD', because),
    };
  return {
    mechanism,
    tokenUrl: need('CALLOSUM_KAFKA_OAUTH_TOKEN_URL', because),
    clientId: need('CALLOSUM_KAFKA_OAUTH_CLIENT_ID', because),
    clientSecret: need('CALLOSUM_KAFKA_OAUTH_CLIENT_SECRET', because),
    ...(settings.CALLOSUM_KAFKA_OAUTH_SCOPE ? { scope: settings.CALLOSUM_KAFKA_OAUTH_SCOPE } : {}),
  };
}
