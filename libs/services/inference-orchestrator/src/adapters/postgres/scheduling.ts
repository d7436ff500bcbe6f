import type { Database } from '@callosum/database';
import { Inbox, type Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { sql, type Transaction } from 'kysely';

import type { Origin } from '../../application/ports.js';
import type {
  Backfill,
  CompletedStudy,
  ConsideredStudies,
  JobsOfStep,
  JustCompletedStudy,
  Scheduling,
  StudyJobs,
} from '../../application/scheduling-ports.js';
import { type HeldReason, holdFor, type StepTold } from '../../domain/scheduling.js';
import { currentModels, lockForStudy } from './models.js';
import { forgetOldSteps, holdOrRelease, putStep, stepsOf, untouched } from './steps.js';
import { lockJobsOf, PostgresStudyJobs } from './study-jobs.js';
import type { Tables } from './tables.js';

export const consumerGroup = 'inference-orchestrator';

/** A model whose backfill failed half-way is tried again after this time. */
const backfillRetrySeconds = 10;

/**
 * Studies a model that comes now may get: those completed since, and those that wait for it already. Each by its own
 * index: joined by OR, every study of the site would be read.
 */
const mayGet = (modelId: string, since: Date | null) =>
  sql<boolean>`study_instance_uid in (
    select study_instance_uid from study where completed_at >= ${since}
    union select study_instance_uid from job where model_id = ${modelId} and state = 'queued')`;

/** Completed studies and the jobs that follow from them. */
export class PostgresScheduling implements Scheduling, ConsideredStudies {
  constructor(
    private readonly database: Database<Tables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly discontinuedSteps: 'hold' | 'run',
  ) {}

  async completed(
    event: { readonly id: string },
    study: JustCompletedStudy,
    origin: Origin,
    work: (jobs: StudyJobs) => Promise<void>,
  ): Promise<JobsOfStep> {
    const { studyInstanceUid, revision, completedAt, steps } = study;
    return this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, consumerGroup, event))) return untouched;
      await lockForStudy(trx);
      await lockJobsOf(trx, studyInstanceUid);
      for (const step of steps) await putStep(trx, studyInstanceUid, step);
      const heldReason = await this.heldReasonOf(trx, studyInstanceUid);
      const { numAffectedRows } = await sql`
        insert into study (study_instance_uid, revision, completed_at, held_reason, traceparent, correlation_id, causation_id)
        values (${studyInstanceUid}, ${revision}, ${completedAt}, ${heldReason}, ${origin.traceparent ?? null},
          ${origin.correlationId ?? null}, ${origin.causationId ?? null})
        on conflict (study_instance_uid) do update
        set revision = excluded.revision, completed_at = excluded.completed_at, held_reason = excluded.held_reason,
          traceparent = excluded.traceparent, correlation_id = excluded.correlation_id, causation_id = excluded.causation_id
        where study.revision <= excluded.revision`.execute(trx);
      if (numAffectedRows !== 1n) return untouched;
      // Held with those that wait already, which a person may have let go.
      await work(this.jobsOf(trx, studyInstanceUid, origin, null));
      return holdOrRelease(trx, studyInstanceUid, heldReason);
    });
  }

  async stepChanged(event: { readonly id: string }, studyInstanceUid: string, step: StepTold): Promise<JobsOfStep> {
    return this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, consumerGroup, event))) return untouched;
      await lockJobsOf(trx, studyInstanceUid);
      await putStep(trx, studyInstanceUid, step);
      const heldReason = await this.heldReasonOf(trx, studyInstanceUid);
      // A step in progress beside steps that were forgotten releases nothing.
      const steps = heldReason === null ? await stepsOf(trx, studyInstanceUid) : [];
      if (heldReason === null && !steps.some(({ status }) => status === 'completed')) return untouched;
      await trx
        .updateTable('study')
        .set({ held_reason: heldReason })
        .where('study_instance_uid', '=', studyInstanceUid)
        .execute();
      return holdOrRelease(trx, studyInstanceUid, heldReason);
    });
  }

  forgetSteps(): Promise<void> {
    return forgetOldSteps(this.database.db);
  }

  async seriesCompleted(
    event: { readonly id: string },
    { studyInstanceUid, revision }: Pick<CompletedStudy, 'studyInstanceUid' | 'revision'>,
    origin: Origin,
    work: (jobs: StudyJobs) => Promise<void>,
  ): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, consumerGroup, event))) return;
      await lockForStudy(trx);
      await lockJobsOf(trx, studyInstanceUid);
      const study = await trx
        .selectFrom('study')
        .select('revision')
        .where('study_instance_uid', '=', studyInstanceUid)
        .executeTakeFirst();
      if (study && study.revision >= revision) return;
      const heldReason = await this.heldReasonOf(trx, studyInstanceUid);
      await work(this.jobsOf(trx, studyInstanceUid, origin, heldReason));
    });
  }

  async revisionOf(studyInstanceUid: string): Promise<number | undefined> {
    const row = await this.database.db
      .selectFrom('study')
      .select('revision')
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    return row?.revision;
  }

  async claimBackfill(studiesMax: number): Promise<Backfill | undefined> {
    const { rows } = await sql<{
      model_id: string;
      version: string;
      backfill_from: Date;
      backfill_after: Date | null;
      backfill_after_study: string | null;
    }>`
      update model set backfill_next_at = now() + make_interval(secs => ${backfillRetrySeconds})
      where (model_id, version) = (select model_id, version from model where backfill_next_at <= now()
        order by backfill_next_at limit 1 for update skip locked)
      returning model_id, version, backfill_from, backfill_after, backfill_after_study`.execute(this.database.db);
    const [row] = rows;
    if (!row) return undefined;
    const manifest = (await currentModels(this.database.db)).find(({ model }) => model.modelId === row.model_id);
    if (!manifest) return undefined;
    const studies = await this.database.db
      .selectFrom('study')
      .selectAll()
      .where(mayGet(row.model_id, row.backfill_from))
      .where(
        sql<boolean>`(${row.backfill_after}::timestamptz is null
          or (date_trunc('milliseconds', completed_at), study_instance_uid) > (${row.backfill_after}, ${row.backfill_after_study}))`,
      )
      .orderBy(sql`date_trunc('milliseconds', completed_at)`)
      .orderBy('study_instance_uid')
      .limit(studiesMax)
      .execute();
    return {
      modelId: row.model_id,
      version: row.version,
      manifest,
      studies: studies.map((study) => ({
        studyInstanceUid: study.study_instance_uid,
        revision: study.revision,
        completedAt: study.completed_at,
        traceparent: study.traceparent ?? undefined,
        correlationId: study.correlation_id ?? undefined,
        causationId: study.causation_id ?? undefined,
      })),
    };
  }

  async backfilled({ modelId, version, studies }: Backfill): Promise<void> {
    const last = studies.at(-1);
    const progress = last
      ? {
          backfill_after: last.completedAt,
          backfill_after_study: last.studyInstanceUid,
          backfill_next_at: sql<Date>`now()`,
        }
      : { backfill_from: null, backfill_next_at: null, backfill_after: null, backfill_after_study: null };
    await this.database.db
      .updateTable('model')
      .set(progress)
      .where('model_id', '=', modelId)
      .where('version', '=', version)
      .execute();
  }

  async reconsider(study: CompletedStudy & Origin, work: (jobs: StudyJobs) => Promise<void>): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('study')
        .select(['revision', 'held_reason'])
        .where('study_instance_uid', '=', study.studyInstanceUid)
        .forUpdate()
        .executeTakeFirst();
      if (row?.revision === study.revision)
        await work(this.jobsOf(trx, study.studyInstanceUid, study, row.held_reason));
    });
  }

  private async heldReasonOf(trx: Transaction<Tables>, studyInstanceUid: string): Promise<HeldReason | null> {
    const study = await trx
      .selectFrom('study')
      .select('held_reason')
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    return holdFor(await stepsOf(trx, studyInstanceUid), this.discontinuedSteps, study?.held_reason) ?? null;
  }

  private jobsOf(
    trx: Transaction<Tables>,
    studyInstanceUid: string,
    origin: Origin,
    heldReason: HeldReason | null,
  ): StudyJobs {
    return new PostgresStudyJobs(trx, this.outbox, this.clock, studyInstanceUid, origin, heldReason);
  }
}
