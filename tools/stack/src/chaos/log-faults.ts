import { topics } from '@callosum/contracts';
import { KafkaEventLog, type LogEvent } from '@callosum/event-log';
import { newId } from '@callosum/kernel';

import { between, pick, type Random } from './random.js';

/** How many facts are kept to be appended again. */
const keptMax = 5_000;
const duplicatesAtOnce = 200;
const poisonAtOnce = 3;

/** Values that are no message of any topic. Somebody else's program wrote them, and says whom it meant. */
const poisonOf = (name: string): readonly string[] => [
  JSON.stringify({ studyInstanceUid: 7, patientName: name }),
  `not JSON of ${name}`,
  `${name} {"studyInstanceUid":`,
  JSON.stringify([name]),
  JSON.stringify({ [name]: name }),
  JSON.stringify({ studyInstanceUid: name, jobId: name }),
];

/** Reads every fact of the run as an outsider, and appends what should not come. */
export class LogFaults {
  /** `ce_id` of every poison event, to be found parked at the end. */
  readonly poison: string[] = [];
  /** Every fact seen, by topic and `ce_id`: how often it came. */
  readonly seen = new Map<string, number>();
  duplicated = 0;
  /** Why the reader of facts stopped for good; it should not. */
  crash: Error | undefined;
  readonly #kept: LogEvent[] = [];

  private constructor(
    private readonly log: KafkaEventLog,
    private readonly random: Random,
    private readonly name: string,
  ) {}

  /** @param name of a patient, who stands in events nobody can handle */
  static async open(brokers: readonly string[], random: Random, name: string): Promise<LogFaults> {
    const log = new KafkaEventLog({ brokers, clientId: 'failure-test', onError: () => undefined });
    const faults = new LogFaults(log, random, name);
    await log.subscribe({
      group: `failure-test-${newId()}`,
      topics: Object.values(topics).map(({ name }) => name),
      from: 'earliest',
      handler: (event) => {
        faults.#see(event);
        return Promise.resolve();
      },
      // Thrown from here it would end the run, and every figure with it.
      onCrash: (error) => {
        faults.crash = error;
      },
    });
    return faults;
  }

  /** Facts of the past again: keys mixed, the facts of one key in the order they had. */
  async duplicate(): Promise<void> {
    const byKey = Map.groupBy(this.#kept.slice(-duplicatesAtOnce), ({ topic, key }) => `${topic} ${key}`);
    const queues = [...byKey.values()].map((events) => [...events]);
    const mixed: LogEvent[] = [];
    while (queues.length > 0) {
      const queue = pick(this.random, queues);
      mixed.push(...queue.splice(0, between(this.random, 1, 3)));
      if (queue.length === 0) queues.splice(queues.indexOf(queue), 1);
    }
    await this.log.append(mixed);
    this.duplicated += mixed.length;
  }

  /** Events whose value is no message of the topic, under keys nobody else uses. */
  async poisonTopics(): Promise<void> {
    const consumed = [topics.instanceStored, topics.studyUpdated, topics.studyCompleted, topics.jobCompleted];
    const events = Array.from({ length: poisonAtOnce }, (): LogEvent => {
      const topic = pick<{ name: string; type: string }>(this.random, consumed);
      const value = pick(this.random, poisonOf(this.name));
      return {
        topic: topic.name,
        type: topic.type,
        key: `poison-${newId()}`,
        id: newId(),
        source: '/callosum/failure-test',
        time: new Date(),
        site: 'default',
        correlationId: newId(),
        value,
      };
    });
    await this.log.append(events);
    this.poison.push(...events.map(({ id }) => id));
  }

  async close(): Promise<void> {
    await this.log.close();
  }

  #see(event: LogEvent): void {
    const name = `${event.topic} ${event.id}`;
    const times = this.seen.get(name) ?? 0;
    this.seen.set(name, times + 1);
    if (times === 0) this.#kept.push(event);
    if (this.#kept.length > keptMax) this.#kept.splice(0, this.#kept.length - keptMax);
  }
}
