import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { kafkaClasspath, replicas } from './kafka.js';
import { clusterId, KafkaNode } from './kafka-node.js';
import { type ScramListener, scramFormatArgs, scramListener } from './kafka-secure.js';
import { freePort } from './ports.js';
import type { TestKafka } from './test-kafka.js';

/** Brokers that may go alone. Broker 1 is the controller too: without it no leader moves. */
export type BrokerId = 2 | 3;

/** Its `brokers` are the nodes 1, 2, 3 in this order; its `restart` kills all three. */
export interface TestKafkaCluster extends TestKafka {
  /** Where its clients show a password, when that was asked for; `brokers` ask for nothing still. */
  readonly secure: ScramListener | undefined;
  /** kill -9; its data stays. */
  kill(nodeId: BrokerId): Promise<void>;
  /** SIGTERM: the broker hands its leaders over before it ends. */
  shutDown(nodeId: BrokerId): Promise<void>;
  /** Starts a broker that was stopped again on its port and data. */
  start(nodeId: BrokerId): Promise<void>;
}

export interface KafkaClusterOptions {
  /**
   * How often the controller gives partitions back to their preferred leaders, in seconds. Kafka's own is 300: a test
   * that moves leaders once sees them stay moved.
   */
  readonly preferredLeadersEverySeconds?: number;
  /** Whether there is a listener too whose clients show a password over TLS. */
  readonly secure?: boolean;
}

/**
 * Three brokers that replicate, as in production: `min.insync.replicas` 2, no unclean election, Kafka's own topics on all
 * three. A killed broker's partitions move within seconds. One controller: a quorum of three on a busy machine spends its
 * time on elections, and it is leaders of partitions that tests move. Processes from Kafka's jars, also where Docker
 * answers: brokers are killed and started one by one.
 */
export async function startKafkaCluster(options: KafkaClusterOptions = {}): Promise<TestKafkaCluster> {
  const classpath = await kafkaClasspath();
  const dir = await mkdtemp(join(tmpdir(), 'callosum-kafka-cluster-'));
  const id = clusterId();
  const controller = await freePort();
  const ports = [await freePort(), await freePort(), await freePort()];
  const scram = options.secure ? await scramListener(dir) : undefined;
  const saslPorts = scram ? [await freePort(), await freePort(), await freePort()] : [];
  const nodes: KafkaNode[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  try {
    for (const [index, port] of ports.entries()) {
      const listeners = [`PLAINTEXT://127.0.0.1:${port}`, ...saslPorts.slice(index, index + 1).map(saslAddress)];
      const properties = {
        ...propertiesOf(index + 1, listeners, controller),
        ...leadershipOf(options),
        ...scram?.properties,
      };
      const formatArgs = scram ? scramFormatArgs : [];
      nodes.push(await KafkaNode.format({ classpath, dir, nodeId: index + 1, clusterId: id, properties, formatArgs }));
    }
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  const addressesOf = (all: readonly number[]): string[] => all.map((port) => `127.0.0.1:${port}`);
  return {
    brokers: addressesOf(ports),
    secure: scram && { ca: scram.ca, scram: scram.scram, saslBrokers: addressesOf(saslPorts) },
    kill: async (nodeId) => nodes[nodeId - 1]?.kill(),
    shutDown: async (nodeId) => nodes[nodeId - 1]?.shutDown(),
    start: async (nodeId) => nodes[nodeId - 1]?.start(),
    restart: async (downMs) => {
      await Promise.all(nodes.map((node) => node.kill()));
      await sleep(downMs);
      await Promise.all(nodes.map((node) => node.start()));
    },
    stop,
  };
}

const saslAddress = (port: number): string => `SASL://127.0.0.1:${port}`;

function propertiesOf(nodeId: number, listeners: readonly string[], controller: number): Record<string, string> {
  return {
    ...(nodeId === 1
      ? { listeners: [...listeners, `CONTROLLER://127.0.0.1:${controller}`].join() }
      : { listeners: listeners.join(), 'process.roles': 'broker' }),
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'default.replication.factor': '3',
    'min.insync.replicas': '2',
    'unclean.leader.election.enable': 'false',
    // A killed broker is noticed sooner than after the usual nine seconds.
    'broker.session.timeout.ms': '5000',
    'broker.heartbeat.interval.ms': '1000',
    ...replicas(3),
  };
}

const leadershipOf = ({ preferredLeadersEverySeconds: seconds }: KafkaClusterOptions): Record<string, string> =>
  seconds === undefined ? {} : { 'leader.imbalance.check.interval.seconds': String(seconds) };
