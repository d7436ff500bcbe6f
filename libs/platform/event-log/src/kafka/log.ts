import kafkajs, { type Kafka, type KafkaConfig, type LogEntry, type Producer, type TopicMessages } from 'kafkajs';

import { assertEnvelope } from '../envelope.js';
import { EventLogUnavailableError } from '../errors.js';
import type { EventLog, Subscription, SubscriptionOptions } from '../event-log.js';
import type { LogEvent } from '../event.js';
import { toMessage } from './headers.js';
import { kafkaDefaults, KafkaSubscription, type KafkaTuning } from './subscription.js';
import { createMissingTopics } from './topics.js';

export interface KafkaEventLogOptions {
  /** "host:port" each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: KafkaConfig['ssl'];
  readonly sasl?: KafkaConfig['sasl'];
  /** Copies of each partition when topics are created; 3 in production. */
  readonly replicationFactor?: number;
  readonly onError: (error: unknown) => void;
  /** kafkajs' own warnings and errors; nothing is printed without. */
  readonly onLog?: (entry: LogEntry) => void;
  readonly tuning?: Partial<KafkaTuning>;
}

const acksAll = -1;
/** A broker's answer to one request; with the retries an append fails after about twenty seconds. */
const requestTimeoutMs = 10_000;
const appendRetry = { initialRetryTime: 200, retries: 8, maxRetryTime: 5_000 };

/** The event log of production: Kafka through kafkajs. */
export class KafkaEventLog implements EventLog {
  readonly #kafka: Kafka;
  readonly #options: KafkaEventLogOptions;
  readonly #tuning: KafkaTuning;
  readonly #subscriptions = new Set<Subscription>();
  #producer: Promise<Producer> | undefined;
  #lastAppend: Promise<unknown> = Promise.resolve();

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
      ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
      ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
    });
  }

  /** Creates what is missing of the catalogue's topics and their dead-letter topics. */
  async ensureTopics(): Promise<void> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      await createMissingTopics(admin, this.#options.replicationFactor ?? 1);
    } finally {
      await admin.disconnect();
    }
  }

  /** One append at a time: kafkajs numbers an idempotent producer's batches only after each answer. */
  append(events: readonly LogEvent[]): Promise<void> {
    const turn = this.#lastAppend.then(() => this.#send(events));
    this.#lastAppend = turn.catch(() => undefined);
    return turn;
  }

  async subscribe(options: SubscriptionOptions): Promise<Subscription> {
    const reader = await new KafkaSubscription(this.#kafka, options, this.#tuning, this.#options.onError).start();
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
    const admin = this.#kafka.admin({ retry: { retries: 1 } });
    try {
      await admin.connect();
      await admin.describeCluster();
    } catch (cause) {
      throw new EventLogUnavailableError('Kafka does not answer', { cause });
    } finally {
      await admin.disconnect().catch(this.#options.onError);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#lastAppend;
    await this.#dropProducer();
  }

  async #send(events: readonly LogEvent[]): Promise<void> {
    if (events.length === 0) return;
    events.forEach(assertEnvelope);
    try {
      const producer = await this.#connected();
      await producer.sendBatch({ acks: acksAll, timeout: requestTimeoutMs, topicMessages: byTopic(events) });
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
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
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

function byTopic(events: readonly LogEvent[]): TopicMessages[] {
  const found = new Map<string, TopicMessages>();
  for (const event of events) {
    const entry = found.get(event.topic) ?? { topic: event.topic, messages: [] };
    entry.messages.push(toMessage(event));
    found.set(event.topic, entry);
  }
  return [...found.values()];
}
