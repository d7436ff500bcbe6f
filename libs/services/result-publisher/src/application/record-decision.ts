import type { identity } from '@callosum/contracts';
import { CallosumError } from '@callosum/kernel';

import type { Decision, Fact, FactStore } from './facts.js';

/** Thrown when a decision lacks what a publication stands on. */
export class IncompleteDecisionError extends CallosumError {
  constructor(field: string) {
    super('results.incomplete-decision', 'invalid', `a decision without ${field}`);
  }
}

/** The study is somebody's: what waited is due, and what stands on another Patient moves. */
export function recordLinked(store: FactStore, fact: Fact, message: identity.StudyLinked): Promise<void> {
  const { decisionId, identityDigest, patientReference } = message;
  if (!patientReference) throw new IncompleteDecisionError('patient_reference');
  return record(store, fact, message, {
    state: 'linked',
    decisionId,
    identityDigest,
    patientReference,
    decidedAt: when(message.decidedAt),
  });
}

/**
 * Nobody knows whose the study is: what was published is withdrawn, and nothing of it is published until a person has
 * decided.
 */
export function recordQuarantined(store: FactStore, fact: Fact, message: identity.StudyQuarantined): Promise<void> {
  const { decisionId, identityDigest } = message;
  return record(store, fact, message, {
    state: 'quarantined',
    decisionId,
    identityDigest,
    decidedAt: when(message.decidedAt),
  });
}

function record(
  store: FactStore,
  fact: Fact,
  message: { studyInstanceUid: string },
  decision: Decision,
): Promise<void> {
  return store.once(fact, message.studyInstanceUid, async (study) => {
    if (!(await study.decide(decision))) return;
    await study.wantCorrection();
    if (decision.state === 'linked') {
      await study.moveToLinkedPatient();
      if (await study.completed()) await study.wantStudy();
    } else {
      await study.holdBackPublished();
    }
    await study.arm();
  });
}

function when(decidedAt: string | undefined): Date {
  if (!decidedAt) throw new IncompleteDecisionError('decided_at');
  return new Date(decidedAt);
}
