import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { type IssuedCertificate, KafkaAuthority } from './kafka-certificates.js';
import { kafkaClasspath, replicas } from './kafka.js';
import { clusterId, KafkaNode } from './kafka-node.js';
import { freePort } from './ports.js';
import type { TestKafka } from './test-kafka.js';
import { startTokenServer, type TestTokenServer } from './token-server.js';

/** A listener whose clients show a password (SCRAM) over TLS. */
export interface ScramListener {
  /** "host:port" */
  readonly saslBrokers: readonly string[];
  /** PEM of the authority that the listeners' certificate comes from. */
  readonly ca: string;
  readonly scram: { readonly username: string; readonly password: string };
}

/** Its SASL listener takes SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER. */
export interface TestSecureKafka extends TestKafka, ScramListener {
  /** The listener that asks for nothing: for the test's own administration; its principal may do everything. */
  readonly brokers: readonly string[];
  /** TLS that asks the client for a certificate. */
  readonly mtlsBrokers: readonly string[];
  readonly client: IssuedCertificate;
  readonly expiredClient: IssuedCertificate;
  readonly tokens: TestTokenServer;
  /** Another authority, which the broker does not know. */
  readonly stranger: { readonly ca: string; readonly client: IssuedCertificate };
}

const security = 'org.apache.kafka.common.security';
const scramLogin = `${security}.scram.ScramLoginModule required;`;
const scram = { username: 'callosum', password: 'a-scram-password' };

/** One broker with every way to prove who one is, an authority for certificates and an issuer of tokens. */
export async function startSecureKafka(): Promise<TestSecureKafka> {
  const classpath = await kafkaClasspath();
  const dir = await mkdtemp(join(tmpdir(), 'callosum-kafka-secure-'));
  const [authority, unknown, tokens] = await Promise.all([
    KafkaAuthority.create(dir),
    KafkaAuthority.create(dir),
    startTokenServer(),
  ]);
  const tls = await tlsProperties(dir, authority);
  const [open, sasl, mtls, controller] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const node = await KafkaNode.format({
    classpath,
    dir,
    nodeId: 1,
    clusterId: clusterId(),
    properties: {
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `OPEN://127.0.0.1:${open},SASL://127.0.0.1:${sasl},MTLS://127.0.0.1:${mtls},CONTROLLER://127.0.0.1:${controller}`,
      'inter.broker.listener.name': 'OPEN',
      'listener.security.protocol.map': 'OPEN:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL,CONTROLLER:PLAINTEXT',
      ...tls,
      'listener.name.mtls.ssl.client.auth': 'required',
      'listener.name.sasl.sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      ...saslProperties(tokens),
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
      'allow.everyone.if.no.acl.found': 'true',
      ...replicas(1),
    },
    formatArgs: scramFormatArgs,
    jvmArgs: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.jwksUrl}`],
  });
  await node.start();
  return {
    brokers: [`127.0.0.1:${open}`],
    saslBrokers: [`127.0.0.1:${sasl}`],
    mtlsBrokers: [`127.0.0.1:${mtls}`],
    ca: authority.ca,
    scram,
    client: await authority.issue({ commonName: 'callosum' }),
    expiredClient: await authority.issue({ commonName: 'callosum', expired: true }),
    tokens,
    stranger: { ca: unknown.ca, client: await unknown.issue({ commonName: 'callosum' }) },
    restart: async (downMs) => {
      await node.kill();
      await sleep(downMs);
      await node.start();
    },
    stop: async () => {
      await Promise.all([node.stop(), tokens.stop()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Of the storage tool: the user that clients show. */
export const scramFormatArgs: readonly string[] = [256, 512].flatMap((bits) => [
  '--add-scram',
  `SCRAM-SHA-${bits}=[name=${scram.username},password=${scram.password}]`,
]);

/** Properties of brokers with a listener SASL for SCRAM-SHA-512 over TLS; without its address. */
export async function scramListener(
  dir: string,
): Promise<Pick<ScramListener, 'ca' | 'scram'> & { readonly properties: Readonly<Record<string, string>> }> {
  const authority = await KafkaAuthority.create(dir);
  const properties = {
    ...(await tlsProperties(dir, authority)),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,CONTROLLER:PLAINTEXT',
    'listener.name.sasl.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': scramLogin,
  };
  return { ca: authority.ca, scram, properties };
}

/** With a certificate of the authority, for every listener with TLS. */
async function tlsProperties(dir: string, authority: KafkaAuthority): Promise<Record<string, string>> {
  const server = await authority.issue({ commonName: 'broker' });
  const [keystore, truststore] = [join(dir, 'server.pem'), join(dir, 'trust.pem')];
  await writeFile(keystore, server.key + server.cert);
  await writeFile(truststore, authority.ca);
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': truststore,
  };
}

function saslProperties(tokens: TestTokenServer): Record<string, string> {
  const bearer = 'listener.name.sasl.oauthbearer.sasl';
  return {
    'listener.name.sasl.scram-sha-256.sasl.jaas.config': scramLogin,
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': scramLogin,
    [`${bearer}.jaas.config`]: `${security}.oauthbearer.OAuthBearerLoginModule required;`,
    [`${bearer}.server.callback.handler.class`]: `${security}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
    [`${bearer}.oauthbearer.jwks.endpoint.url`]: tokens.jwksUrl,
    [`${bearer}.oauthbearer.expected.audience`]: 'kafka',
    [`${bearer}.oauthbearer.expected.issuer`]: tokens.issuer,
  };
}
