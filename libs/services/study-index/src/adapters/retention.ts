import { type Kysely, sql } from 'kysely';

import type { AgedStudy, RetentionStore } from '../application/keep-or-let-go.js';
import type { StudyIndexTables } from './tables.js';

/** A replica that dies in between, or fails: the study is looked at again after this. */
const againHours = 1;
/** Settings may change, and a legal hold may be lifted: no study waits longer for its next look. */
const lookEveryHours = 24;

/** Deadlines of retention as rows of PostgreSQL. */
export class PostgresRetention implements RetentionStore {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  async claim(): Promise<AgedStudy | undefined> {
    const { rows } = await sql<AgedStudy>`
      with next as (
        select study_instance_uid from study
        where state = 'complete' and instance_count > 0 and coalesce(retention_at, '-infinity') <= now()
        order by coalesce(retention_at, '-infinity') limit 1
        for update skip locked
      )
      update study set retention_at = now() + make_interval(hours => ${againHours})
      from next where study.study_instance_uid = next.study_instance_uid
      returning study.study_instance_uid as "studyInstanceUid",
        array(select distinct s.modality from series s where s.study_instance_uid = study.study_instance_uid
          and s.source_instance_count > 0 and s.modality <> '') as modalities,
        (select max(stored_at) from instance i
          where i.study_instance_uid = study.study_instance_uid and not i.issued_by_callosum) as "lastStoredAt",
        (select count(*)::int from instance i
          where i.study_instance_uid = study.study_instance_uid and not i.issued_by_callosum) as "sourceInstances"`.execute(
      this.db,
    );
    return rows[0];
  }

  async lookedAt(studyInstanceUid: string): Promise<void> {
    await this.db
      .updateTable('study')
      .set({ retention_at: sql<Date>`now() + make_interval(hours => ${lookEveryHours})` })
      .where('study_instance_uid', '=', studyInstanceUid)
      .execute();
  }
}
