import { newId } from '@callosum/kernel';
import kafkajs, { type Admin, type IHeaders, type KafkaMessage } from 'kafkajs';

/** A record of Kafka as it lies there, whoever wrote it; its texts read as UTF-8. */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  /** `ce_id`; its place in the log for a record without one. */
  readonly eventId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** Kafka's own topics. */
const isInternal = (topic: string): boolean => topic.startsWith('__');
/** For what hangs: tens of thousands of records come in seconds. */
const readMsMax = 120_000;

/**
 * Every record that every topic holds now, `.dlq` topics too, by its place: a record is read once, and one that was written
 * twice is two.
 * @param brokers "host:port" of a listener that asks for nothing
 * @throws {Error} when the end is not reached in time
 */
export async function readLog(
  brokers: readonly string[],
  isWanted: (topic: string) => boolean = () => true,
): Promise<LogRecord[]> {
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: 'log-reader',
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  const groupId = `log-reader-${newId()}`;
  const consumer = kafka.consumer({ groupId });
  try {
    const topics = (await admin.listTopics()).filter((topic) => !isInternal(topic) && isWanted(topic));
    const ends = await endsOf(admin, topics);
    const records = new Map<string, LogRecord>();
    if (ends.size === 0) return [];
    await consumer.connect();
    await consumer.subscribe({ topics, fromBeginning: true });
    const reached = Promise.withResolvers<void>();
    const late = setTimeout(() => reached.reject(new Error('the log could not be read to its end')), readMsMax);
    // kafkajs goes on after a broker's outage; what it does not get over ends the reading.
    consumer.on('consumer.crash', ({ payload }) => void (payload.restart || reached.reject(payload.error)));
    await consumer.run({
      eachBatch: ({ batch }) => {
        for (const message of batch.messages) {
          const record = recordOf(batch.topic, batch.partition, message);
          records.set(`${record.topic} ${record.partition} ${record.offset}`, record);
        }
        const place = `${batch.topic} ${batch.partition}`;
        if (BigInt(batch.lastOffset()) + 1n >= (ends.get(place) ?? 0n)) ends.delete(place);
        if (ends.size === 0) reached.resolve();
        return Promise.resolve();
      },
    });
    await reached.promise.finally(() => clearTimeout(late));
    return [...records.values()];
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect();
  }
}

/** Where each partition that holds anything ends now, by topic and partition. */
async function endsOf(admin: Admin, topics: readonly string[]): Promise<Map<string, bigint>> {
  const ends = new Map<string, bigint>();
  for (const topic of topics) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(topic))
      if (BigInt(high) > BigInt(low)) ends.set(`${topic} ${partition}`, BigInt(high));
  }
  return ends;
}

function recordOf(topic: string, partition: number, { key, value, offset, headers = {} }: KafkaMessage): LogRecord {
  const read = Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, textOf(header)]));
  return {
    topic,
    partition,
    offset,
    key: key?.toString('utf8') ?? '',
    eventId: read['ce_id'] ?? `${topic}/${partition}/${offset}`,
    headers: read,
    value: value?.toString('utf8') ?? '',
  };
}

const textOf = (header: IHeaders[string]): string =>
  [header]
    .flat()
    .flatMap((one) => (one === undefined ? [] : [one.toString()]))
    .join(' ');
