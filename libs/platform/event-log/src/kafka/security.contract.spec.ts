import { newId } from '@callosum/kernel';
import { orSkip, startSecureKafka, type TestSecureKafka } from '@callosum/testing';
import kafkajs from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { collect, fact, until } from '../test-support/collect.js';
import { openLog } from '../test-support/logs.js';
import { KafkaEventLog } from './log.js';
import type { KafkaSasl, KafkaSecurity } from './security.js';

describe('Kafka that asks who one is', async () => {
  const { server, missing } = await orSkip<TestSecureKafka>(startSecureKafka);
  if (!server) {
    it.skip(missing, () => undefined);
    return;
  }
  const kafka = server;
  const closing: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    const log = new KafkaEventLog({ brokers: kafka.brokers, clientId: 'set-up', onError: () => undefined });
    await log.ensureTopics({ replicationFactor: 1, smallSite: true });
    await log.close();
  });
  afterEach(async () => {
    kafka.tokens.lifetime(300);
    kafka.tokens.audience('kafka');
    for (const close of closing.splice(0)) await close();
  });
  afterAll(() => kafka.stop());

  const tls = { ca: kafka.ca };
  const scram = (mechanism: 'scram-sha-256' | 'scram-sha-512', password = kafka.scram.password): KafkaSasl => ({
    mechanism,
    username: kafka.scram.username,
    password,
  });
  const bearer = (clientSecret = kafka.tokens.clientSecret): KafkaSasl => ({
    mechanism: 'oauthbearer',
    tokenUrl: kafka.tokens.tokenUrl,
    clientId: kafka.tokens.clientId,
    clientSecret,
    scope: 'events',
  });

  /** What a service does at start: topics, then a group, then events both ways. */
  async function works(brokers: readonly string[], security: KafkaSecurity): Promise<void> {
    const set = new KafkaEventLog({ brokers, clientId: 'service', security, onError: () => undefined });
    await set.ensureTopics({ replicationFactor: 1, smallSite: true });
    await set.close();
    const { log, close } = openLog({ adapter: 'kafka', brokers, security });
    closing.push(close);
    const prefix = `${newId()}-`;
    const { events } = await collect(log, `group-${newId()}`, prefix);
    await log.append([fact(`${prefix}k`, 1)]);
    await until('the event', () => events.length === 1);
    await log.ping();
  }

  async function refusal(brokers: readonly string[], security: KafkaSecurity): Promise<unknown> {
    const log = new KafkaEventLog({ brokers, clientId: 'service', security, onError: () => undefined });
    const error: unknown = await log
      .ensureTopics({ replicationFactor: 1, smallSite: true })
      .catch((caught: unknown) => caught);
    await log.close();
    return error;
  }

  it.each(['scram-sha-256', 'scram-sha-512'] as const)('lets in by %s', async (mechanism) => {
    await works(kafka.saslBrokers, { tls, sasl: scram(mechanism) });
  });

  it('lets in by a client certificate', async () => {
    await works(kafka.mtlsBrokers, { tls: { ...tls, ...kafka.client } });
  });

  it('is shown, at the next connection, a certificate that was renewed while the process ran', async () => {
    let now = kafka.expiredClient;
    const log = new KafkaEventLog({
      brokers: kafka.mtlsBrokers,
      clientId: 'service',
      security: { tls: () => ({ ...tls, ...now }) },
      onError: () => undefined,
    });
    closing.push(() => log.close());
    await expect(log.ping()).rejects.toThrow(/no TLS connection|expired/i);
    now = kafka.client;
    await log.ping();
    // One that was not renewed in time serves as long as its connection.
    now = kafka.expiredClient;
    await log.ping();
  });

  it('lets in by an access token, and asks for one token for all connections', async () => {
    const before = kafka.tokens.issued();
    await works(kafka.saslBrokers, { tls, sasl: bearer() });
    // One for the start, one for the log; several connections each.
    expect(kafka.tokens.issued() - before).toBe(2);
  });

  it('gets another token once most of the old one’s life is over', async () => {
    // kafkajs logs in again when ten seconds are left of a session, which ends with its token.
    kafka.tokens.lifetime(13);
    const before = kafka.tokens.issued();
    const { log, close } = openLog({ adapter: 'kafka', brokers: kafka.saslBrokers, security: { tls, sasl: bearer() } });
    closing.push(close);
    const prefix = `${newId()}-`;
    const { events } = await collect(log, `group-${newId()}`, prefix);
    const started = Date.now();
    let sent = 0;
    while (Date.now() - started < 15_000) {
      await log.append([fact(`${prefix}k`, ++sent)]);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await until('every event', () => events.length >= sent);
    expect(kafka.tokens.issued() - before).toBeGreaterThanOrEqual(3);
  }, 60_000);

  it.concurrent.each([
    ['a wrong password', () => ({ tls, sasl: scram('scram-sha-512', 'wrong') }), /SCRAM.*invalid credentials/i],
    ['a certificate of a stranger', () => ({ tls: { ...tls, ...kafka.stranger.client } }), /no TLS connection|alert/i],
    ['an expired certificate', () => ({ tls: { ...tls, ...kafka.expiredClient } }), /no TLS connection|expired/i],
    ['no certificate', () => ({ tls }), /no TLS connection|certificate/i],
    [
      'a broker that is a stranger',
      () => ({ tls: { ca: kafka.stranger.ca }, sasl: scram('scram-sha-256') }),
      /no TLS connection/,
    ],
    ['a wrong client secret', () => ({ tls, sasl: bearer('wrong') }), /the token endpoint gave no token: HTTP 401/],
  ] as const)(
    'refuses %s, and says so',
    async (name, security, text) => {
      const brokers = name.includes('certificate') ? kafka.mtlsBrokers : kafka.saslBrokers;
      const error = await refusal(brokers, security());
      expect(error).toMatchObject({ code: 'event-log.kafka-access', kind: 'forbidden' });
      expect((error as Error).message).toMatch(text);
      expect((error as Error).message).not.toContain(kafka.scram.password);
    },
    60_000,
  );

  it('refuses a token that is out of date, and one for somebody else', async () => {
    kafka.tokens.lifetime(-600);
    expect(await refusal(kafka.saslBrokers, { tls, sasl: bearer() })).toMatchObject({ code: 'event-log.kafka-access' });
    kafka.tokens.lifetime(300);
    kafka.tokens.audience('somebody-else');
    expect(await refusal(kafka.saslBrokers, { tls, sasl: bearer() })).toMatchObject({ code: 'event-log.kafka-access' });
  });

  it.concurrent.each([
    ['nothing at all', () => ({})],
    ['TLS without a credential', () => ({ tls })],
  ] as const)(
    'does not let in with %s, and hints at what may be missing',
    async (_, security) => {
      const error = await refusal(kafka.saslBrokers, security());
      expect(error).toMatchObject({ code: expect.stringMatching(/^event-log\.(unavailable|kafka-access)$/) as string });
      expect((error as Error).message).toMatch(/TLS|SASL/);
    },
    60_000,
  );

  it('tells onCrash when the group is taken from it for good: no restart mends that', async () => {
    const group = `group-${newId()}`;
    const { log, close } = openLog({
      adapter: 'kafka',
      brokers: kafka.saslBrokers,
      security: { tls, sasl: scram('scram-sha-512') },
    });
    closing.push(close);
    const crashes: Error[] = [];
    const options = { group, topics: ['imaging.study.updated.v1'], from: 'latest' } as const;
    await log.subscribe({ ...options, handler: () => Promise.resolve(), onCrash: (error) => crashes.push(error) });
    const admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createAcls({
      acl: [
        {
          resourceType: kafkajs.AclResourceTypes.GROUP,
          resourceName: group,
          resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
          principal: `User:${kafka.scram.username}`,
          host: '*',
          operation: kafkajs.AclOperationTypes.ALL,
          permissionType: kafkajs.AclPermissionTypes.DENY,
        },
      ],
    });
    await admin.disconnect();
    await until('the crash', () => crashes.length > 0, 30_000);
    expect(crashes).toHaveLength(1);
    expect(String(crashes[0])).toMatch(/not authorized.*group/i);
  }, 60_000);

  // What the chart gives the user of its Job (helm/callosum/templates/strimzi.yaml, KafkaUser rewind).
  it('takes a group back for somebody who may describe topics, read what the group reads, and write nothing', async () => {
    const [group, topic] = ['identity-mapping', 'imaging.study.updated.v1'];
    const open = openLog({ adapter: 'kafka', brokers: kafka.brokers });
    closing.push(open.close);
    const before = new Date();
    await open.log.append([fact('rewound', 1), fact('rewound', 2), fact('rewound', 3)]);
    const admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    const ends = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }));
    await admin.setOffsets({ groupId: group, topic, partitions: ends });

    const { AclResourceTypes: types, AclOperationTypes: operations } = kafkajs;
    const rights = [
      { resourceType: types.TOPIC, resourceName: '*', operation: operations.DESCRIBE },
      { resourceType: types.TOPIC, resourceName: topic, operation: operations.READ },
      { resourceType: types.GROUP, resourceName: group, operation: operations.READ },
      { resourceType: types.GROUP, resourceName: group, operation: operations.DESCRIBE },
    ].map((right) => ({
      ...right,
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: `User:${kafka.scram.username}`,
      host: '*',
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    }));
    await admin.createAcls({ acl: rights });
    const log = new KafkaEventLog({
      brokers: kafka.saslBrokers,
      clientId: 'rewind',
      security: { tls, sasl: scram('scram-sha-512') },
      onError: () => undefined,
    });
    try {
      expect(await log.rewind(group, before)).toEqual([{ group, topic, events: 3 }]);
      expect(await log.rewind(group, before)).toEqual([]);
      await expect(log.append([fact('rewound', 4)])).rejects.toThrow();
    } finally {
      await log.close();
      await admin.deleteAcls({ filters: rights });
      await admin.disconnect();
    }
  }, 120_000);
});
