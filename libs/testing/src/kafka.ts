import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { dockerIsUsable, startKafkaContainer } from './docker.js';
import { clusterId, KafkaNode } from './kafka-node.js';
import { MissingPrerequisite } from './missing-prerequisite.js';
import { freePort } from './ports.js';
import type { TestKafka } from './test-kafka.js';
import { cachedTool } from './tools-folder.js';

const run = promisify(execFile);
export const kafkaVersion = '3.9.1';

/**
 * A real Kafka broker in KRaft mode: a container where Docker answers, else a process from its Maven Central
 * jars on Java 17 or later. Topics are not created by themselves, as in production.
 */
export async function startKafka(): Promise<TestKafka> {
  if (await dockerIsUsable()) return startKafkaContainer(kafkaVersion);
  const classpath = await kafkaClasspath();
  const [port, controllerPort] = [await freePort(), await freePort()];
  const dir = await mkdtemp(join(tmpdir(), 'callosum-kafka-'));
  const node = await KafkaNode.format({
    classpath,
    dir,
    nodeId: 1,
    clusterId: clusterId(),
    properties: {
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
      'inter.broker.listener.name': 'PLAINTEXT',
      ...replicas(1),
    },
  });
  await node.start();
  return {
    brokers: [`127.0.0.1:${port}`],
    restart: async (downMs) => {
      await node.kill();
      await sleep(downMs);
      await node.start();
    },
    stop: async () => {
      await node.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Kafka's own topics on as many brokers. */
export const replicas = (count: number): Readonly<Record<string, string>> => ({
  'offsets.topic.replication.factor': String(count),
  'transaction.state.log.replication.factor': String(count),
  'transaction.state.log.min.isr': String(Math.max(1, count - 1)),
});

/**
 * Kafka's jars, fetched once, for Java 17 or later.
 * @throws {MissingPrerequisite}
 */
export async function kafkaClasspath(): Promise<string> {
  await requireJava();
  return `${await cachedTool(`kafka-${kafkaVersion}`, fetchJars)}/*`;
}

async function requireJava(): Promise<void> {
  try {
    const { stderr, stdout } = await run('java', ['-version']);
    const major = Number(/version "(\d+)/.exec(stderr + stdout)?.[1] ?? 0);
    if (major < 17) throw new Error(`java is version ${major}`);
  } catch (cause) {
    throw new MissingPrerequisite(
      'Kafka for tests needs Java 17 or later',
      'apt-get install openjdk-17-jre-headless, or start Docker',
      { cause },
    );
  }
}

async function fetchJars(folder: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'callosum-kafka-pom-'));
  const dependency = (group: string, artifact: string, version: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  try {
    await writeFile(
      join(work, 'pom.xml'),
      `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>callosum.testing</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>
${dependency('org.apache.kafka', 'kafka_2.13', kafkaVersion)}
${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
</dependencies></project>`,
    );
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`], {
      cwd: work,
      timeout: 540_000,
    });
  } catch (cause) {
    throw new MissingPrerequisite(
      'Kafka’s jars could not be fetched',
      'apt-get install maven and let it reach Maven Central, or start Docker',
      { cause },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
