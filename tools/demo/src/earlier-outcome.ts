import { setTimeout as sleep } from 'node:timers/promises';

import { identity, results, topics } from '@callosum/contracts';
import type { EventLog, LogEvent } from '@callosum/event-log';
import { newId } from '@callosum/kernel';

import { type Outcome, publishedOf, quarantineFailure } from './stages.js';

/** The log is read from its beginning; when nothing more came for this long, what was read last is the latest. */
const quietMs = 1_500;
/** A log of two weeks is read in less; whoever has a longer one asks FHIR. */
const readingMsMax = 20_000;

/**
 * What became of a study that was sent before: it makes no new facts, so those of its decision and publication are read
 * again. Report, SEG and SR are those of one result, whatever other models published of the study.
 * @returns undefined when the log has none (any more)
 */
export async function earlierOutcome(
  log: EventLog,
  studyInstanceUid: string,
  elapsedMs: number,
): Promise<Outcome | undefined> {
  const facts = new EarlierFacts(studyInstanceUid);
  let readAt = Date.now();
  const subscription = await log.subscribe({
    group: `start-command-${newId()}`,
    topics: [topics.resultPublished.name, topics.studyLinked.name, topics.studyQuarantined.name],
    from: 'earliest',
    handler: (event) => {
      readAt = Date.now();
      facts.read(event);
      return Promise.resolve();
    },
    onCrash: () => undefined,
  });
  try {
    const deadline = Date.now() + readingMsMax;
    while (Date.now() < deadline && Date.now() - readAt < quietMs) await sleep(50);
    return facts.outcome(elapsedMs);
  } finally {
    await subscription.close();
  }
}

class EarlierFacts {
  #published: results.ResultPublished | undefined;
  #linkedAt = '';
  #quarantined: identity.StudyQuarantined | undefined;

  constructor(private readonly studyInstanceUid: string) {}

  read({ topic, key, value }: LogEvent): void {
    if (key !== this.studyInstanceUid) return;
    const json: unknown = JSON.parse(value);
    if (topic === topics.studyLinked.name) {
      const { decidedAt } = identity.StudyLinked.fromJSON(json);
      if (decidedAt && decidedAt > this.#linkedAt) this.#linkedAt = decidedAt;
    } else if (topic === topics.studyQuarantined.name) {
      const fact = identity.StudyQuarantined.fromJSON(json);
      if ((fact.decidedAt ?? '') > (this.#quarantined?.decidedAt ?? '')) this.#quarantined = fact;
    } else {
      const fact = results.ResultPublished.fromJSON(json);
      if (fact.kind === results.PublicationKind.PUBLICATION_KIND_RESULT) this.#published = fact;
    }
  }

  /** The later decision counts: links and quarantines come on two topics, in any order. */
  outcome(elapsedMs: number): Outcome | undefined {
    if (this.#quarantined && (this.#quarantined.decidedAt ?? '') > this.#linkedAt)
      return { failure: quarantineFailure(this.#quarantined) };
    return this.#published && { published: publishedOf(this.#published, elapsedMs) };
  }
}
