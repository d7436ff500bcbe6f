import { setTimeout as sleep } from 'node:timers/promises';

import { results, topics } from '@callosum/contracts';
import type { EventLog } from '@callosum/event-log';
import { newId } from '@callosum/kernel';

import { publishedOf, type Published } from './stages.js';

/** The log is read from its beginning; when nothing more of the study came for this long, the last one is the latest. */
const quietMs = 1_500;
/** A log of two weeks is read in less; whoever has a longer one asks FHIR. */
const readingMsMax = 20_000;

/**
 * The published result of a study that was sent before: it makes no new facts, so the fact of its publication is read
 * again. Report, SEG and SR are those of one result, whatever other models published of the study.
 * @returns undefined when the log has none (any more)
 */
export async function alreadyPublished(
  log: EventLog,
  studyInstanceUid: string,
  elapsedMs: number,
): Promise<Published | undefined> {
  let latest: results.ResultPublished | undefined;
  let readAt = Date.now();
  const subscription = await log.subscribe({
    group: `start-command-${newId()}`,
    topics: [topics.resultPublished.name],
    from: 'earliest',
    handler: ({ value }) => {
      readAt = Date.now();
      const fact = results.ResultPublished.fromJSON(JSON.parse(value));
      const isResult = fact.kind === results.PublicationKind.PUBLICATION_KIND_RESULT;
      if (isResult && fact.studyInstanceUid === studyInstanceUid) latest = fact;
      return Promise.resolve();
    },
    onCrash: () => undefined,
  });
  try {
    const deadline = Date.now() + readingMsMax;
    while (Date.now() < deadline && Date.now() - readAt < quietMs) await sleep(50);
    return latest && publishedOf(latest, elapsedMs);
  } finally {
    await subscription.close();
  }
}
