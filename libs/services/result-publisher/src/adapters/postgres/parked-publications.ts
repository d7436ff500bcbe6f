import type { Database } from '@callosum/database';
import {
  NotDroppableError,
  NothingParkedError,
  type ParkedItem,
  type ParkedKeysQuery,
  type ParkedKeySummary,
  type ParkedWork,
  type ReplayOutcome,
} from '@callosum/event-log';
import { sql } from 'kysely';

import { type PublicationKind, publicationKinds } from '../../application/ports.js';
import type { Tables } from './tables.js';

/** What stands where an event's topic would. */
const topic = 'publication';
const group = 'result-publisher';

/** Publications a sink refused for good, by study: a replay sets them due again, and the queue works them off. */
export class ParkedPublications implements ParkedWork {
  constructor(
    private readonly database: Database<Tables>,
    /** Something may be due. */
    private readonly wake: () => void,
  ) {}

  owns(asked: string): boolean {
    return asked === topic;
  }

  /** By StudyInstanceUID; few enough to be listed in that order. */
  async keys({ after, limit }: ParkedKeysQuery): Promise<readonly ParkedKeySummary[]> {
    const { rows } = await sql<{ key: string; items: number; code: string; at: Date; position: string }>`
      select study_instance_uid as key, count(*)::int as items,
        (array_agg(coalesce(error_code, '') order by created_at))[1] as code, min(created_at) as at,
        row_number() over (order by study_instance_uid) as position
      from publication where state = 'parked' group by study_instance_uid
      order by study_instance_uid offset ${after ?? '0'}::bigint limit ${limit}`.execute(this.database.db);
    return rows.map(({ key, items, code, at, position }) => ({
      group,
      topic,
      key,
      items,
      errorCode: code,
      parkedAt: at,
      position,
    }));
  }

  /** How many are parked, by kind; a kind without any counts 0, so that an alert sees it end. */
  async counts(): Promise<ReadonlyMap<PublicationKind, number>> {
    const { rows } = await sql<{ kind: PublicationKind; count: number }>`
      select kind, count(*)::float8 as count from publication where state = 'parked' group by kind`.execute(
      this.database.db,
    );
    const found = new Map(rows.map(({ kind, count }) => [kind, count]));
    return new Map(publicationKinds.map((kind) => [kind, found.get(kind) ?? 0]));
  }

  async items(_topic: string, key: string, limit: number): Promise<{ items: readonly ParkedItem[]; total: number }> {
    const rows = await this.database.db
      .selectFrom('publication')
      .select(['id', 'kind', 'job_id', 'model_key', 'study_revision', 'error_code', 'created_at', 'traceparent'])
      .where('study_instance_uid', '=', key)
      .where('state', '=', 'parked')
      .orderBy('created_at')
      .execute();
    const items = rows.slice(0, limit).map((row): ParkedItem => {
      const payload = JSON.stringify({ jobId: row.job_id, model: row.model_key, studyRevision: row.study_revision });
      return {
        id: row.id,
        type: row.kind,
        errorCode: row.error_code ?? '',
        parkedAt: row.created_at,
        payload,
        payloadBytes: Buffer.byteLength(payload),
        ...(row.traceparent ? { traceparent: row.traceparent } : {}),
      };
    });
    return { items, total: rows.length };
  }

  /**
   * Under the study's lock, as facts change it; one without a link waits for it like any other, but for a correction,
   * which brings what was written in line with a quarantine too.
   */
  async replay(_topic: string, key: string): Promise<ReplayOutcome> {
    const replayed = await this.database.db.transaction().execute(async (trx) => {
      await sql`select 1 from study where study_instance_uid = ${key} for update`.execute(trx);
      const { numAffectedRows } = await sql`
        update publication p set attempts = 0, refusals = 0, defects = 0, error_code = null,
          state = case when s.decision_state = 'linked' or p.kind = 'correction' then 'due' else 'waiting' end,
          next_attempt_at = case when s.decision_state = 'linked' or p.kind = 'correction' then now() end
        from study s
        where s.study_instance_uid = p.study_instance_uid and p.study_instance_uid = ${key}
          and p.state = 'parked'`.execute(trx);
      return Number(numAffectedRows ?? 0n);
    });
    if (replayed === 0) throw new NothingParkedError(topic);
    this.wake();
    return { replayed, left: 0 };
  }

  /** A publication that is given up would leave the record without what the archive has. */
  drop(): Promise<never> {
    return Promise.reject(new NotDroppableError(topic));
  }
}
