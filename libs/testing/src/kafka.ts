import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { dockerIsUsable, startKafkaContainer } from './docker.js';
import { MissingPrerequisite } from './missing-prerequisite.js';
import { freePort } from './ports.js';
import { startProcess, type ServerProcess } from './processes.js';
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
  return startBroker(`${await kafkaJars()}/*`);
}

/** Folder of Kafka's jars, fetched on first use. */
export async function kafkaJars(): Promise<string> {
  await requireJava();
  return cachedTool(`kafka-${kafkaVersion}`, fetchJars);
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

async function startBroker(classpath: string): Promise<TestKafka> {
  const dir = await mkdtemp(join(tmpdir(), 'callosum-kafka-'));
  const [port, controllerPort] = [await freePort(), await freePort()];
  const properties = join(dir, 'server.properties');
  await writeFile(
    properties,
    [
      'process.roles=broker,controller',
      'node.id=1',
      `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
      `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
      'controller.listener.names=CONTROLLER',
      'inter.broker.listener.name=PLAINTEXT',
      `log.dirs=${join(dir, 'logs')}`,
      'auto.create.topics.enable=false',
      'offsets.topic.replication.factor=1',
      'offsets.topic.num.partitions=4',
      'transaction.state.log.replication.factor=1',
      'transaction.state.log.min.isr=1',
      'group.initial.rebalance.delay.ms=0',
      // A test that kills a member waits for its session to end.
      'group.min.session.timeout.ms=1000',
    ].join('\n'),
  );
  // A cluster id is a base64 UUID of 22 characters; a leading "-" would read as an option.
  const id = `A${randomBytes(16).toString('base64url').slice(1)}`;
  await run('java', ['-cp', classpath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', properties]);
  const start = (): Promise<ServerProcess> =>
    startProcess({
      command: 'java',
      args: ['-Xmx512m', '-cp', classpath, 'kafka.Kafka', properties],
      ready: (output) => output.includes('Kafka Server started'),
      readyTimeoutMs: 150_000,
    });
  let broker = await start();
  return {
    brokers: [`127.0.0.1:${port}`],
    restart: async (downMs) => {
      await broker.stop(0);
      await sleep(downMs);
      broker = await start();
    },
    stop: async () => {
      // Its data goes with it: no reason to wait for a clean shutdown.
      await broker.stop(1_000);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
