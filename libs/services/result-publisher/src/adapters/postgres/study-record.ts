import { newId } from '@callosum/kernel';
import { type RawBuilder, sql, type Transaction } from 'kysely';

import type { Decision, JobPublication, StudyRecord } from '../../application/facts.js';
import type { Origin } from '../../application/ports.js';
import type { Tables } from './tables.js';

const neverFailed = { attempts: 0, refusals: 0, defects: 0, error_code: null };

/** A study's row and publications inside one transaction. */
export class PostgresStudyRecord implements StudyRecord {
  constructor(
    private readonly trx: Transaction<Tables>,
    private readonly studyInstanceUid: string,
    private readonly origin: Origin,
  ) {}

  /** Locks the study's row, made when this is the first one hears of it. */
  async lock(): Promise<void> {
    const study = { study_instance_uid: this.studyInstanceUid };
    await this.trx
      .insertInto('study')
      .values(study)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await sql`select 1 from study where study_instance_uid = ${this.studyInstanceUid} for update`.execute(this.trx);
  }

  async identityDigest(digest: string): Promise<void> {
    await this.trx
      .updateTable('study')
      .set({ identity_digest: digest })
      .where('study_instance_uid', '=', this.studyInstanceUid)
      .execute();
  }

  async completed(revision?: number): Promise<boolean> {
    const { completed_revision } = await this.trx
      .updateTable('study')
      .set({ completed_revision: sql`greatest(completed_revision, ${revision ?? null}::int)` })
      .where('study_instance_uid', '=', this.studyInstanceUid)
      .returning('completed_revision')
      .executeTakeFirstOrThrow();
    return completed_revision !== null;
  }

  async decide(decision: Decision): Promise<boolean> {
    const { numUpdatedRows } = await this.trx
      .updateTable('study')
      .set({
        decision_state: decision.state,
        decision_id: decision.decisionId,
        decision_digest: decision.identityDigest,
        patient_reference: decision.patientReference ?? null,
        decided_at: decision.decidedAt,
        decision_traceparent: this.origin.traceparent ?? null,
      })
      .where('study_instance_uid', '=', this.studyInstanceUid)
      .where((row) => row.or([row('decided_at', 'is', null), row('decided_at', '<=', decision.decidedAt)]))
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async wantStudy(): Promise<void> {
    const asked = { state: 'waiting' as const, next_attempt_at: null, ...neverFailed, ...this.originColumns() };
    await this.trx
      .insertInto('publication')
      .values({
        id: newId(),
        study_instance_uid: this.studyInstanceUid,
        kind: 'imaging-study',
        study_revision: 0,
        ...asked,
      })
      .onConflict((conflict) =>
        conflict
          .column('study_instance_uid')
          .where('kind', '=', sql.lit('imaging-study'))
          .doUpdateSet({ ...asked, wanted: sql`publication.wanted + 1` }),
      )
      .execute();
  }

  async wantJob(job: JobPublication): Promise<void> {
    await this.trx
      .insertInto('publication')
      .values({
        id: newId(),
        study_instance_uid: this.studyInstanceUid,
        kind: job.kind,
        job_id: job.jobId,
        model_key: job.modelKey,
        study_revision: job.studyRevision,
        payload: JSON.stringify(job.payload),
        state: 'waiting',
        ...this.originColumns(),
      })
      .onConflict((conflict) => conflict.column('job_id').doNothing())
      .execute();
  }

  async wantCorrection(): Promise<void> {
    const written = await this.trx
      .selectFrom('written_resource')
      .select('value')
      .where('study_instance_uid', '=', this.studyInstanceUid)
      .limit(1)
      .executeTakeFirst();
    if (!written) return;
    const asked = { state: 'due' as const, next_attempt_at: sql<Date>`now()`, ...neverFailed, ...this.originColumns() };
    await this.trx
      .insertInto('publication')
      .values({
        id: newId(),
        study_instance_uid: this.studyInstanceUid,
        kind: 'correction',
        study_revision: 0,
        ...asked,
      })
      .onConflict((conflict) =>
        conflict
          .column('study_instance_uid')
          .where('kind', '=', sql.lit('correction'))
          .doUpdateSet({ ...asked, wanted: sql`publication.wanted + 1` }),
      )
      .execute();
  }

  async moveToLinkedPatient(): Promise<void> {
    await this.wantAgain(sql`s.decision_state = 'linked' and p.state in ('published', 'superseded')
      and p.patient_reference <> s.patient_reference`);
  }

  async holdBackPublished(): Promise<void> {
    // Also what is due: an attempt that ends now must not count as an answer.
    await this.wantAgain(
      sql`p.state in ('due', 'published') or (p.state in ('superseded', 'parked') and p.published_at is not null)`,
    );
  }

  async recheckResults(): Promise<void> {
    await sql`
      update publication set state = 'waiting', wanted = wanted + 1
      where study_instance_uid = ${this.studyInstanceUid} and kind = 'result' and state = 'published'`.execute(
      this.trx,
    );
  }

  /** Without the digest of what was written, which then is written again whatever it is. */
  private async wantAgain(which: RawBuilder<unknown>): Promise<void> {
    await sql`
      update publication p
      set state = 'waiting', next_attempt_at = null, wanted = wanted + 1, content_digest = null
      from study s
      where s.study_instance_uid = p.study_instance_uid and s.study_instance_uid = ${this.studyInstanceUid}
        and p.kind <> 'correction' and (${which})`.execute(this.trx);
  }

  async arm(): Promise<void> {
    await sql`
      update publication p
      set state = 'due', next_attempt_at = now(), attempts = 0, refusals = 0, defects = 0, error_code = null
      from study s
      where s.study_instance_uid = p.study_instance_uid and s.study_instance_uid = ${this.studyInstanceUid}
        and s.decision_state = 'linked' and p.state = 'waiting'
        and (p.kind <> 'imaging-study' or s.completed_revision is not null)`.execute(this.trx);
    await sql`
      update publication p set state = 'waiting', next_attempt_at = null
      from study s
      where s.study_instance_uid = p.study_instance_uid and s.study_instance_uid = ${this.studyInstanceUid}
        and s.decision_state <> 'linked' and p.state = 'due' and p.kind <> 'correction'`.execute(this.trx);
  }

  private originColumns() {
    const { traceparent, correlationId, causationId } = this.origin;
    return {
      traceparent: traceparent ?? null,
      correlation_id: correlationId ?? null,
      causation_id: causationId ?? null,
    };
  }
}
