import { type identity, type imaging, type inference, results, topics, type Topic } from '@callosum/contracts';
import type { EventLog, LogEvent } from '@callosum/event-log';
import { newId } from '@callosum/kernel';

/** When each fact of a study happened, in milliseconds of the clock all processes share here. */
export interface Journey {
  /** Of the instance that came first, and last. */
  begun?: number;
  stored?: number;
  instances: number;
  completed?: number;
  linked?: number;
  scheduled?: number;
  answered?: number;
  published?: number;
}

/** Follows every study through the facts in the log. */
export class JourneyWatcher {
  readonly journeys = new Map<string, Journey>();
  readonly #waiting = new Map<string, () => void>();
  #stopped!: (error: Error) => void;
  readonly #whenStopped = new Promise<never>((_resolve, reject) => (this.#stopped = reject));

  private constructor() {
    // Told to whoever waits.
    this.#whenStopped.catch(() => undefined);
  }

  static async open(log: EventLog): Promise<JourneyWatcher> {
    const watcher = new JourneyWatcher();
    await log.subscribe({
      group: `bench-${newId()}`,
      topics: Object.values(topics).map(({ name }) => name),
      from: 'latest',
      handler: (event) => {
        watcher.#see(event);
        return Promise.resolve();
      },
      onCrash: (error) => watcher.#stopped(error),
    });
    return watcher;
  }

  /** Resolves when the study's report is published. @throws when the log is no longer read */
  published(studyInstanceUid: string): Promise<void> {
    if (this.journeys.get(studyInstanceUid)?.published) return Promise.resolve();
    const published = new Promise<void>((resolve) => this.#waiting.set(studyInstanceUid, resolve));
    return Promise.race([published, this.#whenStopped]);
  }

  #see(event: LogEvent): void {
    const at = event.time.getTime();
    const read = <M>(topic: Topic<M>): M => topic.message.fromJSON(JSON.parse(event.value));
    switch (event.topic) {
      case topics.instanceStored.name:
        return this.#stored(read<imaging.InstanceStored>(topics.instanceStored), at);
      case topics.studyCompleted.name:
        return this.#mark(read<imaging.StudyCompleted>(topics.studyCompleted).studyInstanceUid, 'completed', at);
      case topics.studyLinked.name:
        return this.#mark(read<identity.StudyLinked>(topics.studyLinked).studyInstanceUid, 'linked', at);
      case topics.jobScheduled.name:
        return this.#mark(read<inference.JobScheduled>(topics.jobScheduled).input?.studyInstanceUid, 'scheduled', at);
      case topics.jobCompleted.name:
        return this.#mark(read<inference.JobCompleted>(topics.jobCompleted).input?.studyInstanceUid, 'answered', at);
      case topics.resultPublished.name: {
        const fact = read<results.ResultPublished>(topics.resultPublished);
        if (fact.kind !== results.PublicationKind.PUBLICATION_KIND_RESULT) return;
        this.#mark(fact.studyInstanceUid, 'published', at);
        this.#waiting.get(fact.studyInstanceUid)?.();
      }
    }
  }

  #stored({ studyInstanceUid, issuedByCallosum }: imaging.InstanceStored, at: number): void {
    if (issuedByCallosum) return;
    const journey = this.#of(studyInstanceUid);
    journey.instances++;
    journey.begun = Math.min(journey.begun ?? at, at);
    journey.stored = Math.max(journey.stored ?? 0, at);
  }

  #mark(studyInstanceUid: string | undefined, hop: Exclude<keyof Journey, 'instances'>, at: number): void {
    if (studyInstanceUid) this.#of(studyInstanceUid)[hop] = at;
  }

  #of(studyInstanceUid: string): Journey {
    const journey = this.journeys.get(studyInstanceUid) ?? { instances: 0 };
    this.journeys.set(studyInstanceUid, journey);
    return journey;
  }
}
