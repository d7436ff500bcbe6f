import { errorCode } from '@callosum/kernel';
import { record, secondsSince, withSpan } from '@callosum/telemetry';

import type { ClaimedPublication, FhirSink, ResultArchive } from '../application/ports.js';
import type { StudyContents } from '../domain/study-contents.js';

const service = 'result-publisher';

async function metered<T>(sink: 'archive' | 'fhir', work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  let outcome = 'ok';
  try {
    return await withSpan(service, `write ${sink}`, { attributes: { 'callosum.sink': sink } }, work);
  } catch (error) {
    outcome = errorCode(error);
    throw error;
  } finally {
    record('callosum.publish.duration', secondsSince(startedAt), {
      'callosum.sink': sink,
      'callosum.outcome': outcome,
    });
  }
}

/** Spans and durations of both sinks. */
export const meteredArchive = (archive: ResultArchive): ResultArchive => ({
  store: (documents, correlationId) => metered('archive', () => archive.store(documents, correlationId)),
  isWithheld: (study, uids) => archive.isWithheld(study, uids),
  hide: (study, uids) => metered('archive', () => archive.hide(study, uids)),
});

export const meteredFhir = (fhir: FhirSink): FhirSink => ({
  transact: (bundle, timeoutMs) => metered('fhir', () => fhir.transact(bundle, timeoutMs)),
  find: (keys) => fhir.find(keys),
});

/** What people wait for. Later revisions, and what is published again under another Patient, began with other facts. */
export function recordEndToEnd({ kind, wanted }: ClaimedPublication, { revision, firstStoredAt }: StudyContents): void {
  if (revision !== 1 || wanted !== 1 || !firstStoredAt) return;
  const seconds = Math.max(0, Date.now() - firstStoredAt.getTime()) / 1000;
  record('callosum.study.end_to_end.duration', seconds, { 'callosum.publication': kind });
}
