import { inference } from '@callosum/contracts';

import type { Fact, FactStore } from './facts.js';
import { MalformedJobError } from './job-result.js';

/** A job gave a result: to be published once the study is linked. */
export function recordJobCompleted(store: FactStore, fact: Fact, message: inference.JobCompleted): Promise<void> {
  return record(store, fact, 'result', message, inference.JobCompleted.toJSON(message) as object);
}

/** A job gave none: its Task says so once the study is linked. */
export function recordJobFailed(store: FactStore, fact: Fact, message: inference.JobFailed): Promise<void> {
  return record(store, fact, 'failure', message, inference.JobFailed.toJSON(message) as object);
}

function record(
  store: FactStore,
  fact: Fact,
  kind: 'result' | 'failure',
  { jobId, input, model }: inference.JobCompleted | inference.JobFailed,
  payload: object,
): Promise<void> {
  if (!input?.studyInstanceUid || !model) throw new MalformedJobError(jobId, input ? 'model' : 'input');
  const modelKey = JSON.stringify([model.vendor, model.modelId]);
  return store.once(fact, input.studyInstanceUid, async (study) => {
    await study.wantJob({ kind, jobId, modelKey, studyRevision: input.studyRevision, payload });
    await study.arm();
  });
}
