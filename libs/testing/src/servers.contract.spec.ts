import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { describe, expect, it } from 'vitest';

import { orSkip, startKafka, startPostgres, startS3 } from './index.js';

// The servers themselves: what other suites rely on.
describe('servers for tests', () => {
  it('PostgreSQL answers, durable as in production, and gives each suite its own database', async ({ skip }) => {
    const { server, missing } = await orSkip(startPostgres);
    if (!server) return skip(missing);
    const own = await server.createDatabase();
    const client = new pg.Client(own);
    await client.connect();
    const { rows } = await client.query<{ fsync: string; name: string }>(
      "select current_setting('fsync') as fsync, current_database() as name",
    );
    expect(rows[0]).toEqual({ fsync: 'on', name: own.database });
    await client.end();
    await server.stop();
  });

  it('Kafka takes a topic and forgets nothing of it', async ({ skip }) => {
    const { server, missing } = await orSkip(startKafka);
    if (!server) return skip(missing);
    const admin = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'seen', numPartitions: 3 }], waitForLeaders: true });
    expect(await admin.listTopics()).toContain('seen');
    await admin.disconnect();
    await server.stop();
  }, 700_000);

  it('S3 gives back what was put', async ({ skip }) => {
    const { server, missing } = await orSkip(startS3);
    if (!server) return skip(missing);
    const { endpoint, region, accessKeyId, secretAccessKey, bucket: Bucket } = server;
    const client = new S3Client({
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
      forcePathStyle: true,
    });
    await client.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body: 'pixels' }));
    const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a/b' }));
    expect(await got.Body?.transformToString()).toBe('pixels');
    client.destroy();
    await server.stop();
  }, 700_000);
});
