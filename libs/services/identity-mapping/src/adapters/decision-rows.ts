import type { Selectable } from 'kysely';

import type { Decision, NewDecision, Verdict } from '../domain/decision.js';
import type { DecisionTable } from './tables.js';

export function toDecision(row: Selectable<DecisionTable>): Decision {
  const verdict: Verdict =
    row.patient_reference === null
      ? { state: 'quarantined', reasons: row.reasons }
      : { state: 'linked', patient: row.patient_reference, provisional: row.provisional };
  return {
    decisionId: row.decision_id,
    studyInstanceUid: row.study_instance_uid,
    identityDigest: row.identity_digest,
    verdict,
    decider:
      row.decided_by === 'person'
        ? { by: 'person', name: row.decided_by_name ?? '', resolves: row.resolves ?? '', action: row.action ?? '' }
        : { by: 'rules' },
    evidence: row.evidence,
    decidedAt: row.decided_at,
    supersededAt: row.superseded_at,
  };
}

export function toRow({ verdict, decider, ...decision }: NewDecision, decidedAt: Date) {
  return {
    decision_id: decision.decisionId,
    study_instance_uid: decision.studyInstanceUid,
    identity_digest: decision.identityDigest,
    state: verdict.state,
    patient_reference: verdict.state === 'linked' ? verdict.patient : null,
    provisional: verdict.state === 'linked' && verdict.provisional,
    reasons: verdict.state === 'quarantined' ? [...verdict.reasons] : [],
    decided_by: decider.by,
    decided_by_name: decider.by === 'person' ? decider.name : null,
    resolves: decider.by === 'person' ? decider.resolves : null,
    action: decider.by === 'person' ? decider.action : null,
    evidence: jsonColumn(decision.evidence),
    decided_at: decidedAt,
    superseded_at: null,
    changing_until: null,
  };
}

/** PostgreSQL's text holds neither NUL nor lone surrogates; broken objects do hold them. */
const jsonColumn = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'string' ? Buffer.from(part.replaceAll('\0', '')).toString() : part,
  );
