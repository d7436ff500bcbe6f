import type { operations } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { StudyStatusPart } from '@callosum/runtime';
import { type Selectable, sql } from 'kysely';

import type { JobTable, Tables } from './tables.js';

/** A study has a handful of models, each with a handful of revisions; as the contract says. */
const jobsMax = 100;

/** A study's jobs as operators see them. What workers say of themselves (`stage`) is free text and stays here. */
export class StudyStatus {
  constructor(private readonly database: Database<Tables>) {}

  async of(studyInstanceUid: string): Promise<StudyStatusPart> {
    const { db } = this.database;
    const study = await db
      .selectFrom('study')
      .select(['revision', 'completed_at', 'traceparent'])
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    const jobs = await db
      .selectFrom('job')
      .selectAll()
      .select(sql<number>`count(*) over ()`.as('total'))
      .where('study_instance_uid', '=', studyInstanceUid)
      .orderBy(sql`ended_at is not null`)
      .orderBy('scheduled_at', 'desc')
      .limit(jobsMax)
      .execute();
    if (!study && jobs.length === 0) return {};
    const { models } = await db
      .selectFrom('model')
      .select(sql<number>`count(distinct model_id)`.as('models'))
      .executeTakeFirstOrThrow();
    return {
      inference: {
        consideredRevision: study?.revision ?? 0,
        completedAt: study?.completed_at.toISOString(),
        models,
        jobs: jobs.map(toJob),
        jobsTotal: jobs[0]?.total ?? 0,
      },
      traceparents: [...jobs.map(({ traceparent }) => traceparent), study?.traceparent ?? null],
    };
  }
}

const toJob = (row: Selectable<JobTable>): operations.StudyJob => ({
  jobId: row.id,
  modelId: row.model_id,
  modelVersion: row.model_version,
  studyRevision: row.study_revision,
  state: row.state,
  attempts: row.attempts,
  scheduledAt: row.scheduled_at.toISOString(),
  nextAttemptAt: row.next_attempt_at?.toISOString(),
  attemptStartedAt: row.attempt_started_at?.toISOString(),
  leaseUntil: row.lease_until?.toISOString(),
  deadlineAt: row.deadline_at?.toISOString(),
  workerInstanceId: row.worker_instance_id ?? '',
  endedAt: row.ended_at?.toISOString(),
  errorCode: row.error_code ?? '',
  heldReason: row.state === 'queued' || row.state === 'running' ? (row.held_reason ?? '') : '',
});
