import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { startProcess, type ServerProcess } from './processes.js';

const run = promisify(execFile);

export interface KafkaNodeOptions {
  readonly classpath: string;
  /** Its properties and data; the caller removes it. */
  readonly dir: string;
  readonly nodeId: number;
  readonly clusterId: string;
  /** Beside those every node of ours has. */
  readonly properties: Readonly<Record<string, string>>;
  /** Of the storage tool's `format`, e.g. ["--add-scram", "…"]. */
  readonly formatArgs?: readonly string[];
  readonly jvmArgs?: readonly string[];
}

/** A cluster id is a base64 UUID of 22 characters; a leading "-" would read as an option. */
export const clusterId = (): string => `A${randomBytes(16).toString('base64url').slice(1)}`;

/** A broker on a busy machine hands over its leaders in seconds. */
const shutDownMsMax = 60_000;

/** What every node of ours has; its own properties win. */
const common: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'controller.listener.names': 'CONTROLLER',
  'auto.create.topics.enable': 'false',
  'offsets.topic.num.partitions': '4',
  'group.initial.rebalance.delay.ms': '0',
  // A test that kills a member waits for its session to end.
  'group.min.session.timeout.ms': '1000',
  // After kill -9 every partition is read again before the broker is back: a hundred and more of them, small ones.
  'num.recovery.threads.per.data.dir': '4',
  'log.index.size.max.bytes': '1048576',
};

/** One Kafka process, broker and controller in one, that keeps its data over kill and start. */
export class KafkaNode {
  #process: ServerProcess | undefined;

  private constructor(
    private readonly options: KafkaNodeOptions,
    private readonly properties: string,
  ) {}

  static async format(options: KafkaNodeOptions): Promise<KafkaNode> {
    const { classpath, dir, nodeId, clusterId: id, formatArgs = [] } = options;
    const properties = join(dir, `server-${nodeId}.properties`);
    const all = {
      ...common,
      'node.id': String(nodeId),
      'log.dirs': join(dir, `logs-${nodeId}`),
      ...options.properties,
    };
    await writeFile(
      properties,
      Object.entries(all)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n'),
    );
    const format = ['kafka.tools.StorageTool', 'format', '-t', id, '-c', properties, ...formatArgs];
    await run('java', ['-cp', classpath, ...format]);
    return new KafkaNode(options, properties);
  }

  async start(): Promise<void> {
    this.#process = await startProcess({
      command: 'java',
      args: [
        '-Xmx384m',
        // Two cores for tests: a JVM that compiles less is up sooner.
        '-XX:TieredStopAtLevel=1',
        ...(this.options.jvmArgs ?? []),
        '-cp',
        this.options.classpath,
        'kafka.Kafka',
        this.properties,
      ],
      ready: (output) => output.includes('Kafka Server started'),
      // A limit for what hangs: on a busy machine the logs of three killed brokers took longer than two minutes.
      readyTimeoutMs: 300_000,
    });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#process?.stop(0);
    this.#process = undefined;
  }

  /** As an administrator stops a broker: it hands over what it leads first. */
  async shutDown(): Promise<void> {
    await this.#process?.stop(shutDownMsMax);
    this.#process = undefined;
  }

  /** Its data goes with it: no reason to wait for a clean shutdown. */
  async stop(): Promise<void> {
    await this.#process?.stop(1_000);
    this.#process = undefined;
  }
}
