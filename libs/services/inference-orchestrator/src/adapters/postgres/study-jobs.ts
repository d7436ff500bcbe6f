import { type Topic, topics } from '@callosum/contracts';
import type { Outbox } from '@callosum/event-log';
import { type Clock, newId } from '@callosum/kernel';
import { sql, type Transaction } from 'kysely';

import type { Origin } from '../../application/ports.js';
import type { StudyJobs } from '../../application/scheduling-ports.js';
import type { Manifest } from '../../domain/manifest.js';
import type { ExistingJob, HeldReason } from '../../domain/scheduling.js';
import type { SelectedInput } from '../../domain/selection.js';
import { findJob, isOfInput, jobFailed } from './jobs.js';
import { currentModels } from './models.js';
import type { Tables } from './tables.js';

/** A series and its study may complete at the same time: of what the one schedules the other must know. */
export const lockJobsOf = (trx: Transaction<Tables>, studyInstanceUid: string): Promise<unknown> =>
  sql`select pg_advisory_xact_lock(hashtext('callosum.jobs-of-study'), hashtext(${studyInstanceUid}))`.execute(trx);

/** One study's jobs in the transaction of a decision, with the facts that tell of them. */
export class PostgresStudyJobs implements StudyJobs {
  constructor(
    private readonly trx: Transaction<Tables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly studyInstanceUid: string,
    private readonly origin: Origin,
    private readonly heldReason: HeldReason | null,
  ) {}

  models(): Promise<readonly Manifest[]> {
    return currentModels(this.trx);
  }

  async existing(modelId: string): Promise<readonly ExistingJob[]> {
    const rows = await this.trx
      .selectFrom('job')
      .select(['id', 'state', 'model_version', 'input_digest', 'error_code'])
      .where('study_instance_uid', '=', this.studyInstanceUid)
      .where('model_id', '=', modelId)
      .where('state', '<>', 'superseded')
      .forUpdate()
      .execute();
    return rows.map((row) => ({
      id: row.id,
      state: row.state as ExistingJob['state'],
      modelVersion: row.model_version,
      inputDigest: row.input_digest,
      failedForInput: isOfInput(row.error_code),
    }));
  }

  async schedule({ model }: Manifest, input: SelectedInput, studyRevision: number): Promise<string> {
    const id = newId();
    const { traceparent, correlationId, causationId } = this.origin;
    const scheduledAt = this.clock.now();
    await this.trx
      .insertInto('job')
      .values({
        id,
        study_instance_uid: this.studyInstanceUid,
        study_revision: studyRevision,
        series_instance_uid: input.seriesInstanceUid,
        sop_instance_uids: [...input.sopInstanceUids],
        input_digest: input.inputDigest,
        columns: input.columns,
        rows: input.rows,
        slices: input.slices,
        model_id: model.modelId,
        model_version: model.version,
        evidence: [...input.evidence],
        next_attempt_at: sql`now()`,
        held_reason: this.heldReason,
        scheduled_at: scheduledAt,
        traceparent: traceparent ?? null,
        correlation_id: correlationId ?? null,
        causation_id: causationId ?? null,
      })
      .execute();
    const { seriesInstanceUid, sopInstanceUids, inputDigest } = input;
    const { studyInstanceUid } = this;
    await this.tell(topics.jobScheduled, {
      jobId: id,
      model,
      input: { studyInstanceUid, studyRevision, seriesInstanceUid, sopInstanceUids: [...sopInstanceUids], inputDigest },
      selectionEvidence: [...input.evidence],
      scheduledAt: scheduledAt.toISOString(),
    });
    return id;
  }

  async supersede(jobId: string): Promise<void> {
    await this.trx
      .updateTable('job')
      .set({ state: 'superseded', lease_until: null, next_attempt_at: null, ended_at: sql`now()` })
      .where('id', '=', jobId)
      .execute();
    const job = await findJob(this.trx, jobId);
    if (!job) return;
    const ours = 'the input the model would read has changed, or a newer version of the model takes it';
    await this.tell(topics.jobFailed, jobFailed(job, 'SUPERSEDED', { ours }, this.clock.now()));
  }

  async setAside(jobIds: readonly string[]): Promise<void> {
    await this.trx.updateTable('job').set({ state: 'superseded' }).where('id', 'in', jobIds).execute();
  }

  private tell<M>(topic: Topic<M>, message: M): Promise<void> {
    const { correlationId, causationId } = this.origin;
    return this.outbox.add(this.trx, topic, message, {
      ...(correlationId ? { correlationId } : {}),
      ...(causationId ? { causationId } : {}),
    });
  }
}
