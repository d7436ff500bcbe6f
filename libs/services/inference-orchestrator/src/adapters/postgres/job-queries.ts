import type { Database } from '@callosum/database';
import { sql } from 'kysely';

import type { JobQueries, JobSummary } from '../../application/ports.js';
import type { HeldReason } from '../../domain/scheduling.js';
import type { JobState, Tables } from './tables.js';

/** Results live on in the archive and in FHIR: an older job tells nobody anything, and its label map is not read again. */
export const jobRetentionDays = 90;
/** A study has a handful of models, each with a handful of revisions. */
const jobsMax = 500;
const pruneRowsMax = 1_000;

/** What a job that ended was held for tells nobody anything. */
const isOpen = (state: JobState): boolean => state === 'queued' || state === 'running';

export class PostgresJobQueries implements JobQueries {
  constructor(private readonly database: Database<Tables>) {}

  async ofStudy(studyInstanceUid: string): Promise<readonly JobSummary[]> {
    const rows = await this.database.db
      .selectFrom('job')
      .selectAll()
      .where('study_instance_uid', '=', studyInstanceUid)
      .orderBy('scheduled_at', 'desc')
      .limit(jobsMax)
      .execute();
    return rows.map((row) => ({
      jobId: row.id,
      modelId: row.model_id,
      modelVersion: row.model_version,
      studyRevision: row.study_revision,
      seriesInstanceUid: row.series_instance_uid,
      slices: row.slices,
      state: row.state,
      attempts: row.attempts,
      workerInstanceId: row.worker_instance_id,
      progress: row.progress,
      stage: row.stage,
      lastFailure: row.error_code,
      heldReason: isOpen(row.state) ? row.held_reason : null,
      selectionEvidence: row.evidence,
      scheduledAt: row.scheduled_at,
      endedAt: row.ended_at,
    }));
  }

  async queuedByModel(): Promise<{ modelId: string; count: number }[]> {
    const { rows } = await sql<{ modelId: string; count: number }>`
      select m.model_id as "modelId", count(j.id)::float8 as count
      from model m left join job j on j.model_id = m.model_id and j.model_version = m.version and j.state = 'queued'
        and j.held_reason is null
      group by m.model_id`.execute(this.database.db);
    return rows;
  }

  async release(jobId: string): Promise<boolean> {
    const { numUpdatedRows } = await this.database.db
      .updateTable('job')
      .set({ held_reason: null, released_at: sql<Date>`now()`, released_for: sql<HeldReason>`held_reason` })
      .where('id', '=', jobId)
      .where('state', 'in', ['queued', 'running'])
      .where('held_reason', 'is not', null)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }

  async outlived(): Promise<readonly string[]> {
    const { rows } = await sql<{ id: string }>`select id from job
      where ended_at < now() - make_interval(days => ${jobRetentionDays})
        and not exists (select from label_map where job_id = job.id) limit ${pruneRowsMax}`.execute(this.database.db);
    return rows.map(({ id }) => id);
  }

  async remove(jobId: string): Promise<void> {
    await this.database.db.deleteFrom('job').where('id', '=', jobId).execute();
  }
}
