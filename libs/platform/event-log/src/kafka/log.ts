import kafkajs, {
  type Admin,
  type Kafka,
  type LogEntry,
  type Producer,
  type RecordMetadata,
  type TopicMessages,
} from 'kafkajs';

import { inBatches } from '../batches.js';
import { assertEnvelope } from '../envelope.js';
import { EventLogUnavailableError, UnsafeKafkaError } from '../errors.js';
import {
  topicsOfGroup,
  type EventLog,
  type PartitionLag,
  type Subscription,
  type SubscriptionOptions,
} from '../event-log.js';
import type { LogEvent } from '../event.js';
import { connectionError } from './access.js';
import { toMessage } from './headers.js';
import { kafkaLag } from './lag.js';
import { type Rewound, rewindGroup } from './rewind.js';
import { clientSecurity, type KafkaSecurity } from './security.js';
import { letStoppedRunnersRest } from './stopped-runner.js';
import { kafkaDefaults, KafkaSubscription, type KafkaTuning } from './subscription.js';
import { findDifferences } from './topic-check.js';
import type { TopicDifference } from './topic-difference.js';
import { createMissingTopics, wantedTopics } from './topics.js';

export interface KafkaEventLogOptions {
  /** "host:port" each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly security?: KafkaSecurity;
  readonly onError: (error: unknown) => void;
  /** kafkajs' own warnings and errors; nothing is printed without. */
  readonly onLog?: (entry: LogEntry) => void;
  readonly tuning?: Partial<KafkaTuning>;
}

export interface EnsureTopicsOptions {
  /** Copies of each partition of the topics that are created. */
  readonly replicationFactor: number;
  /** True where one machine is all there is: what the loss of a broker would lose is told, and not refused. */
  readonly smallSite: boolean;
  /** Told of each difference that does not stop the start. */
  readonly onDifference?: (difference: TopicDifference) => void;
}

const acksAll = -1;
/** A broker's answer to one request; with the retries an append fails after about twenty seconds. */
const requestTimeoutMs = 10_000;
const appendRetry = { initialRetryTime: 200, retries: 8, maxRetryTime: 5_000 };
/** About six seconds: what does not answer by then is said, and whoever starts the process tries again. */
const startRetry = { initialRetryTime: 200, retries: 5, maxRetryTime: 2_000 };
/** A probe that waits longer than this has its answer. */
const probeRetry = { initialRetryTime: 100, retries: 1 };

letStoppedRunnersRest();

/** The event log of production: Kafka through kafkajs. */
export class KafkaEventLog implements EventLog {
  readonly #kafka: Kafka;
  readonly #options: KafkaEventLogOptions;
  readonly #tuning: KafkaTuning;
  readonly #subscriptions = new Set<Subscription>();
  #producer: Promise<Producer> | undefined;
  #admin: Promise<Admin> | undefined;
  #lastAppend: Promise<unknown> = Promise.resolve();
  /** "topic/partition" that the append in progress sends to. */
  readonly #addressed = new Set<string>();

  constructor(options: KafkaEventLogOptions) {
    this.#options = options;
    this.#tuning = { ...kafkaDefaults, ...options.tuning };
    const { onLog } = options;
    this.#kafka = new kafkajs.Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId,
      requestTimeout: requestTimeoutMs,
      logLevel: onLog ? kafkajs.logLevel.WARN : kafkajs.logLevel.NOTHING,
      ...(onLog ? { logCreator: () => onLog } : {}),
      ...clientSecurity(options.security ?? {}),
    });
  }

  /**
   * Creates what is missing of the catalogue's topics and their dead-letter topics, and holds all of them and the brokers'
   * defaults against what the catalogue and production ask for.
   * @throws {KafkaAccessError} when Kafka does not take our credentials, or does not allow what we ask
   * @throws {UnsafeKafkaError} naming every topic and setting with which acknowledged events could be lost
   */
  async ensureTopics({ replicationFactor, smallSite, onDifference }: EnsureTopicsOptions): Promise<void> {
    const admin = this.#kafka.admin({ retry: startRetry });
    let differences: TopicDifference[];
    try {
      await admin.connect();
      await createMissingTopics(admin, replicationFactor);
      differences = await findDifferences(admin, wantedTopics());
    } catch (error) {
      throw connectionError(error, this.#options.security?.sasl?.mechanism === 'oauthbearer');
    } finally {
      await admin.disconnect().catch(this.#options.onError);
    }
    const stops = ({ danger }: TopicDifference): boolean =>
      danger === 'loses' || (danger === 'unreplicated' && !smallSite);
    differences.filter((difference) => !stops(difference)).forEach((difference) => onDifference?.(difference));
    const stopping = differences.filter(stops);
    if (stopping.length > 0) throw new UnsafeKafkaError(stopping);
  }

  /** One send at a time: kafkajs numbers an idempotent producer's batches only after each answer. */
  append(events: readonly LogEvent[]): Promise<void> {
    const turn = this.#lastAppend.then(async () => {
      events.forEach(assertEnvelope);
      // A batch that is too large would be refused for ever. When a later one fails the earlier ones are in the log.
      for (const batch of inBatches(events)) await this.#send(batch);
    });
    this.#lastAppend = turn.catch(() => undefined);
    return turn;
  }

  async subscribe(options: SubscriptionOptions): Promise<Subscription> {
    const reader = await new KafkaSubscription(this.#kafka, options, this.#tuning, {
      onError: this.#options.onError,
      askCluster: () => this.lag(options.group, options.topics),
    }).start();
    const subscription: Subscription = {
      close: async () => {
        this.#subscriptions.delete(subscription);
        await reader.close();
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ping(): Promise<void> {
    await this.#ask((admin) => admin.describeCluster());
  }

  lag(group: string, topics: readonly string[] = topicsOfGroup(group)): Promise<PartitionLag[]> {
    return this.#ask((admin) => kafkaLag(admin, group, topics));
  }

  /**
   * Takes a group back to what was appended since `to`; see `rewindGroup`.
   * @throws {EventLogUnavailableError} also when a member of the group still runs
   */
  rewind(group: string, to: Date): Promise<Rewound[]> {
    return this.#ask((admin) => rewindGroup(admin, group, topicsOfGroup(group), to));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#lastAppend;
    await this.#dropProducer();
    await this.#dropAdmin();
  }

  /** Questions of probes and gauges share one connection: each new one would be a TLS handshake and a login. */
  async #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin({ retry: probeRetry });
      await admin.connect();
      return admin;
    })();
    try {
      return await question(await this.#admin);
    } catch (error) {
      await this.#dropAdmin();
      throw connectionError(error);
    }
  }

  async #dropAdmin(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.then((connected) => connected.disconnect()).catch(this.#options.onError);
  }

  async #send(events: readonly LogEvent[]): Promise<void> {
    try {
      const producer = await this.#connected();
      this.#addressed.clear();
      const answers = await producer.sendBatch({
        acks: acksAll,
        timeout: requestTimeoutMs,
        topicMessages: byTopic(events),
      });
      assertAllAnswered(this.#addressed, answers);
    } catch (cause) {
      // After a failure kafkajs may number the next batch wrongly (#598): a new producer starts a new numbering.
      await this.#dropProducer();
      throw new EventLogUnavailableError('Kafka did not acknowledge the events', { cause });
    }
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      // Named, so that a later default of the library cannot move keys to other partitions.
      createPartitioner: () => {
        const partitionOf = kafkajs.Partitioners.DefaultPartitioner();
        return (message) => {
          const partition = partitionOf(message);
          this.#addressed.add(`${message.topic}/${partition}`);
          return partition;
        };
      },
      retry: appendRetry,
    });
    await producer.connect();
    return producer;
  }

  async #dropProducer(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.then((connected) => connected.disconnect()).catch(this.#options.onError);
  }
}

/**
 * kafkajs forgets partitions when leaders move: trying again it skips every broker that has already answered, though the
 * dead one's partitions are led by one of them now, and resolves without having sent them.
 */
function assertAllAnswered(addressed: ReadonlySet<string>, answers: readonly RecordMetadata[]): void {
  const answered = new Set(answers.map(({ topicName, partition }) => `${topicName}/${partition}`));
  const missed = [...addressed].filter((place) => !answered.has(place));
  if (missed.length > 0) throw new Error(`no broker acknowledged ${missed.join(', ')}`);
}

function byTopic(events: readonly LogEvent[]): TopicMessages[] {
  const found = new Map<string, TopicMessages>();
  for (const event of events) {
    const entry = found.get(event.topic) ?? { topic: event.topic, messages: [] };
    entry.messages.push(toMessage(event));
    found.set(event.topic, entry);
  }
  return [...found.values()];
}
