import { identity, topics } from '@callosum/contracts';
import type { Outbox } from '@callosum/event-log';
import type { Transaction } from 'kysely';

import type { NewDecision } from '../domain/decision.js';
import type { Reason } from '../domain/judgement.js';
import type { IdentityTables } from './tables.js';

const reasonOf: Readonly<Record<Reason, identity.QuarantineReason>> = {
  'missing-patient-id': identity.QuarantineReason.QUARANTINE_REASON_MISSING_PATIENT_ID,
  'malformed-patient-id': identity.QuarantineReason.QUARANTINE_REASON_MALFORMED_PATIENT_ID,
  'birth-date-contradicts': identity.QuarantineReason.QUARANTINE_REASON_BIRTH_DATE_CONTRADICTS,
  'sex-contradicts': identity.QuarantineReason.QUARANTINE_REASON_SEX_CONTRADICTS,
  'name-contradicts': identity.QuarantineReason.QUARANTINE_REASON_NAME_CONTRADICTS,
  'inconsistent-study': identity.QuarantineReason.QUARANTINE_REASON_INCONSISTENT_STUDY,
  'ambiguous-patient': identity.QuarantineReason.QUARANTINE_REASON_AMBIGUOUS_PATIENT,
  'patient-gone': identity.QuarantineReason.QUARANTINE_REASON_PATIENT_GONE,
  'patient-inactive': identity.QuarantineReason.QUARANTINE_REASON_PATIENT_INACTIVE,
  uncorroborated: identity.QuarantineReason.QUARANTINE_REASON_UNCORROBORATED,
  'rejected-by-person': identity.QuarantineReason.QUARANTINE_REASON_REJECTED_BY_PERSON,
};

/** Puts the decision into the outbox: UIDs, the Patient's id and reasons, none of the evidence. */
export async function tell(
  trx: Transaction<IdentityTables>,
  outbox: Outbox,
  decision: NewDecision,
  decidedAt: Date,
): Promise<void> {
  const { verdict, decider } = decision;
  const common = {
    studyInstanceUid: decision.studyInstanceUid,
    decisionId: decision.decisionId,
    identityDigest: decision.identityDigest,
    decidedAt: decidedAt.toISOString(),
  };
  if (verdict.state === 'quarantined') {
    await outbox.add(trx, topics.studyQuarantined, {
      ...common,
      reasons: verdict.reasons.map((reason) => reasonOf[reason]),
    });
    return;
  }
  await outbox.add(trx, topics.studyLinked, {
    ...common,
    patientReference: verdict.patient,
    decidedBy: decider.by === 'rules' ? identity.DecidedBy.DECIDED_BY_RULES : identity.DecidedBy.DECIDED_BY_PERSON,
    provisional: verdict.provisional,
  });
}
