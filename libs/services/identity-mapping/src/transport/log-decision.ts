import type { Logger } from '@callosum/telemetry';

import type { NewDecision } from '../domain/decision.js';

/** UIDs and codes; whose the study is stays in the decision. */
export function logDecision(
  log: Logger,
  { studyInstanceUid: study, decisionId, verdict, evidence }: NewDecision,
): void {
  const reasons = verdict.state === 'quarantined' ? { reasons: verdict.reasons } : {};
  const lost = evidence.follows ? { follows: evidence.follows.decisionId, loss: evidence.follows.loss } : {};
  log.info({ study, decisionId, state: verdict.state, ...reasons, ...lost }, 'identity.decided');
}
