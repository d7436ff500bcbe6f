import { newId } from '@callosum/kernel';
import { sql, type Transaction } from 'kysely';

import type { Origin, PublicationKind } from '../../application/ports.js';
import type { Tables } from './tables.js';

type Trx = Transaction<Tables>;

export interface Decision {
  readonly studyInstanceUid: string;
  readonly state: 'linked' | 'quarantined';
  readonly decisionId: string;
  readonly identityDigest: string;
  readonly patientReference?: string | undefined;
  readonly decidedAt: Date;
}

export interface JobPublication extends Origin {
  readonly kind: Exclude<PublicationKind, 'imaging-study'>;
  readonly studyInstanceUid: string;
  readonly jobId: string;
  readonly modelKey: string;
  readonly studyRevision: number;
  /** ProtoJSON of the job's event. */
  readonly payload: object;
}

/** What facts change about a study and what is to be published of it; every method runs in the caller's transaction. */
export const StudyFacts = {
  /** Locks the study's row, made when this is the first one hears of it. */
  async lock(trx: Trx, studyInstanceUid: string): Promise<void> {
    await trx.insertInto('study').values({ study_instance_uid: studyInstanceUid }).onConflict((conflict) => conflict.doNothing()).execute();
    await trx.selectFrom('study').select('fence').where('study_instance_uid', '=', studyInstanceUid).forUpdate().execute();
  },

  async identityDigest(trx: Trx, studyInstanceUid: string, digest: string): Promise<void> {
    await trx.updateTable('study').set({ identity_digest: digest }).where('study_instance_uid', '=', studyInstanceUid).execute();
  },

  /** @returns true when the study has been complete at least once */
  async completed(trx: Trx, studyInstanceUid: string, revision?: number): Promise<boolean> {
    const row = await trx
      .updateTable('study')
      .set({ completed_revision: sql`greatest(completed_revision, ${revision ?? null}::int)` })
      .where('study_instance_uid', '=', studyInstanceUid)
      .returning('completed_revision')
      .executeTakeFirstOrThrow();
    return row.completed_revision !== null;
  },

  /** @returns false when a later decision is known already: links and quarantines come on two topics, in any order */
  async decide(trx: Trx, decision: Decision): Promise<boolean> {
    const { numUpdatedRows } = await trx
      .updateTable('study')
      .set({
        decision_state: decision.state,
        decision_id: decision.decisionId,
        decision_digest: decision.identityDigest,
        patient_reference: decision.patientReference ?? null,
        decided_at: decision.decidedAt,
      })
      .where('study_instance_uid', '=', decision.studyInstanceUid)
      .where((row) => row.or([row('decided_at', 'is', null), row('decided_at', '<=', decision.decidedAt)]))
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  },

  /** Asks for the study's ImagingStudy, again when it was published already. */
  async wantStudy(trx: Trx, studyInstanceUid: string, origin: Origin): Promise<void> {
    const asked = {
      state: 'waiting' as const,
      next_attempt_at: null,
      attempts: 0,
      traceparent: origin.traceparent ?? null,
      correlation_id: origin.correlationId ?? null,
      causation_id: origin.causationId ?? null,
    };
    await trx
      .insertInto('publication')
      .values({ id: newId(), study_instance_uid: studyInstanceUid, kind: 'imaging-study', study_revision: 0, ...asked })
      .onConflict((conflict) =>
        conflict
          .column('study_instance_uid')
          .where('kind', '=', 'imaging-study')
          .doUpdateSet({ ...asked, wanted: sql`publication.wanted + 1` }),
      )
      .execute();
  },

  /** Asks for a job's result or failure; a job's first outcome stands. */
  async wantJob(trx: Trx, job: JobPublication): Promise<void> {
    await trx
      .insertInto('publication')
      .values({
        id: newId(),
        study_instance_uid: job.studyInstanceUid,
        kind: job.kind,
        job_id: job.jobId,
        model_key: job.modelKey,
        study_revision: job.studyRevision,
        payload: JSON.stringify(job.payload),
        state: 'waiting',
        traceparent: job.traceparent ?? null,
        correlation_id: job.correlationId ?? null,
        causation_id: job.causationId ?? null,
      })
      .onConflict((conflict) => conflict.column('job_id').doNothing())
      .execute();
  },

  /** What was published under another Patient than the study's present one is to be written again, on the right one. */
  async moveToLinkedPatient(trx: Trx, studyInstanceUid: string): Promise<void> {
    await sql`
      update publication p set state = 'waiting', wanted = wanted + 1, attempts = 0
      from study s
      where s.study_instance_uid = p.study_instance_uid and s.study_instance_uid = ${studyInstanceUid}
        and s.decision_state = 'linked' and p.state = 'published' and p.patient_reference <> s.patient_reference`.execute(trx);
  },

  /** Lets go what waited for a link, and holds back what is due without one. */
  async arm(trx: Trx, studyInstanceUid: string): Promise<void> {
    await sql`
      update publication p set state = 'due', next_attempt_at = now(), attempts = 0, error_code = null
      from study s
      where s.study_instance_uid = p.study_instance_uid and s.study_instance_uid = ${studyInstanceUid}
        and s.decision_state = 'linked' and p.state = 'waiting'
        and (p.kind <> 'imaging-study' or s.completed_revision is not null)`.execute(trx);
    await sql`
      update publication p set state = 'waiting', next_attempt_at = null
      from study s
      where s.study_instance_uid = p.study_instance_uid and s.study_instance_uid = ${studyInstanceUid}
        and s.decision_state <> 'linked' and p.state = 'due'`.execute(trx);
  },
} as const;
