import { type Kysely, sql } from 'kysely';

import type { DecisionQueries, QuarantinePage } from '../application/decision-queries.js';
import type { Decision } from '../domain/decision.js';
import { toDecision } from './decision-rows.js';
import type { IdentityTables } from './tables.js';

/** A study corrected more often than this is a defect of its sender; the newest are shown. */
const historyMax = 200;

export class PostgresDecisionQueries implements DecisionQueries {
  constructor(private readonly db: Kysely<IdentityTables>) {}

  async quarantine(after: number, limit: number, includeRejected: boolean): Promise<QuarantinePage> {
    let query = this.db
      .selectFrom('decision')
      .selectAll()
      .where('state', '=', 'quarantined')
      .where('superseded_at', 'is', null)
      .where('sequence', '>', after)
      .orderBy('sequence')
      .limit(limit);
    if (!includeRejected) query = query.where(sql<boolean>`not reasons @> array['rejected-by-person']`);
    return { decisions: (await query.execute()).map((row) => ({ ...toDecision(row), sequence: row.sequence })) };
  }

  /** Studies that wait for a person, and for how long the first has; a person's refusal waits for nobody. */
  async waiting(): Promise<{ readonly count: number; readonly oldestAgeSeconds: number }> {
    const { rows } = await sql<{ count: number; age: number }>`
      select count(*)::float8 as count, coalesce(extract(epoch from now() - min(decided_at)), 0)::float8 as age
      from decision where state = 'quarantined' and superseded_at is null
        and not reasons @> array['rejected-by-person']`.execute(this.db);
    const [row] = rows;
    return { count: row?.count ?? 0, oldestAgeSeconds: Math.max(0, row?.age ?? 0) };
  }

  async history(studyInstanceUid: string): Promise<readonly Decision[]> {
    const rows = await this.db
      .selectFrom('decision')
      .selectAll()
      .where('study_instance_uid', '=', studyInstanceUid)
      .orderBy('sequence', 'desc')
      .limit(historyMax)
      .execute();
    return rows.map(toDecision);
  }
}
