import type { StudyStatusPart } from '@callosum/runtime';
import { type Kysely, sql } from 'kysely';

import type { IdentityTables } from './tables.js';

/** The decision that stands on a study, in codes: neither its evidence nor whose it is, nor who decided. */
export class StudyStatus {
  constructor(private readonly db: Kysely<IdentityTables>) {}

  async of(studyInstanceUid: string): Promise<StudyStatusPart> {
    const decision = await this.db
      .selectFrom('decision')
      .select(['decision_id', 'state', 'reasons', 'decided_by', 'decided_at', 'provisional', 'changing_until'])
      .select((select) =>
        select
          .selectFrom('decision as every')
          .select(sql<number>`count(*)::int`.as('count'))
          .where('every.study_instance_uid', '=', studyInstanceUid)
          .as('decisions'),
      )
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('superseded_at', 'is', null)
      .executeTakeFirst();
    if (!decision) return {};
    return {
      identity: {
        state: decision.state,
        decisionId: decision.decision_id,
        reasons: [...decision.reasons],
        decidedBy: decision.decided_by,
        decidedAt: decision.decided_at.toISOString(),
        provisional: decision.provisional,
        changingUntil: decision.changing_until?.toISOString(),
        decisions: decision.decisions ?? 1,
      },
    };
  }
}
