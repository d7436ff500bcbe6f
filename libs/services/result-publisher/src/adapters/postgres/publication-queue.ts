import { sql, type Kysely, type Transaction } from 'kysely';
import type { Observation } from '@callosum/fhir';

import { ClaimLostError } from '../../application/errors.js';
import type { ClaimedPublication, PublicationKind, PublicationOutcome } from '../../application/ports.js';
import type { Tables } from './tables.js';

interface ClaimedRow {
  id: string;
  kind: PublicationKind;
  study_instance_uid: string;
  job_id: string | null;
  model_key: string | null;
  study_revision: number;
  payload: unknown;
  wanted: number;
  attempts: number;
  content_digest: string | null;
  traceparent: string | null;
  correlation_id: string | null;
  causation_id: string | null;
  decision_id: string;
  decision_digest: string;
  fence: number;
}

/** Due publications as a queue: one worker a study at a time, taken with SKIP LOCKED and a fencing token. */
export class PublicationQueue {
  constructor(private readonly db: Kysely<Tables>) {}

  /**
   * Takes the longest due publication of a study nobody works on, for `leaseMs`. Its study is leased, not the row:
   * two publications of one study write the same ImagingStudy.
   */
  async claim(leaseMs: number): Promise<ClaimedPublication | undefined> {
    const { rows } = await sql<ClaimedRow>`
      with candidate as (
        select p.id, s.study_instance_uid
        from publication p join study s using (study_instance_uid)
        where p.state = 'due' and p.next_attempt_at <= now() and s.decision_state = 'linked'
          and (s.lease_until is null or s.lease_until < now())
        order by p.next_attempt_at limit 1
        for update of s, p skip locked
      ), taken as (
        update study s set lease_until = now() + make_interval(secs => ${leaseMs / 1000}), fence = s.fence + 1
        from candidate c where s.study_instance_uid = c.study_instance_uid
        returning c.id, s.decision_id, s.decision_digest, s.fence
      )
      select p.id, p.kind, p.study_instance_uid, p.job_id, p.model_key, p.study_revision, p.payload, p.wanted, p.attempts,
        p.content_digest, p.traceparent, p.correlation_id, p.causation_id, t.decision_id, t.decision_digest, t.fence
      from taken t join publication p on p.id = t.id`.execute(this.db);
    const [row] = rows;
    return row && toClaimed(row);
  }

  /** Observations written for earlier revisions of the same study and model. */
  async earlierObservations({ id, studyInstanceUid, modelKey }: ClaimedPublication): Promise<readonly Observation[]> {
    const rows = await this.db
      .selectFrom('publication')
      .select('observations')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('model_key', '=', modelKey ?? '')
      .where('state', '=', 'published')
      .where('id', '<>', id)
      .execute();
    return rows.flatMap(({ observations }) => observations ?? []);
  }

  /** True when a later revision of the same study and model was published already. */
  async isOutdated({ studyInstanceUid, modelKey, studyRevision }: ClaimedPublication): Promise<boolean> {
    const row = await this.db
      .selectFrom('publication')
      .select('id')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('model_key', '=', modelKey ?? '')
      .where('kind', '=', 'result')
      .where('state', '=', 'published')
      .where('study_revision', '>', studyRevision)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Records success in the caller's transaction; a request that came meanwhile stays due.
   * @throws {ClaimLostError} when another worker has the study now
   */
  protected async record(
    trx: Transaction<Tables>,
    claim: ClaimedPublication,
    outcome: PublicationOutcome,
    at: Date,
  ): Promise<void> {
    await release(trx, claim);
    await trx
      .updateTable('publication')
      .set({
        attempts: 0,
        error_code: null,
        content_digest: outcome.contentDigest,
        decision_id: outcome.decisionId,
        patient_reference: outcome.patientReference,
        study_revision: outcome.studyRevision,
        imaging_study_reference: outcome.imagingStudy,
        diagnostic_report_reference: outcome.diagnosticReport,
        observations: JSON.stringify(outcome.writtenObservations),
        published_at: at,
      })
      .where('id', '=', claim.id)
      .execute();
    await trx
      .updateTable('publication')
      .set({ state: 'published', next_attempt_at: null })
      .where('id', '=', claim.id)
      .where('wanted', '=', claim.wanted)
      .execute();
    if (claim.kind === 'result') await supersedeEarlier(trx, claim);
  }

  /** Ends the claim without a publication: nothing to do, or a later revision stands already. */
  async settle(claim: ClaimedPublication, state: 'published' | 'superseded'): Promise<void> {
    await this.finish(claim, { state, next_attempt_at: null, error_code: null });
  }

  /** Sets the publication due again after `delayMs`. */
  async retry(claim: ClaimedPublication, errorCode: string, delayMs: number): Promise<void> {
    await this.finish(claim, {
      error_code: errorCode,
      attempts: claim.attempts + 1,
      next_attempt_at: sql<Date>`case when state = 'due' then now() + make_interval(secs => ${delayMs / 1000}) end`,
    });
  }

  /** Sets the publication aside for a person. */
  async park(claim: ClaimedPublication, errorCode: string): Promise<void> {
    await this.finish(claim, {
      state: 'parked',
      error_code: errorCode,
      attempts: claim.attempts + 1,
      next_attempt_at: null,
    });
  }

  private async finish(claim: ClaimedPublication, change: object): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await release(trx, claim);
      await trx
        .updateTable('publication')
        .set(change)
        .where('id', '=', claim.id)
        .where('wanted', '=', claim.wanted)
        .execute();
    });
  }
}

async function release(trx: Transaction<Tables>, { studyInstanceUid, fence }: ClaimedPublication): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('study')
    .set({ lease_until: null })
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('fence', '=', fence)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new ClaimLostError();
}

async function supersedeEarlier(trx: Transaction<Tables>, claim: ClaimedPublication): Promise<void> {
  await trx
    .updateTable('publication')
    .set({ state: 'superseded' })
    .where('study_instance_uid', '=', claim.studyInstanceUid)
    .where('model_key', '=', claim.modelKey ?? '')
    .where('kind', '=', 'result')
    .where('state', '=', 'published')
    .where('id', '<>', claim.id)
    .execute();
}

function toClaimed(row: ClaimedRow): ClaimedPublication {
  return {
    id: row.id,
    kind: row.kind,
    studyInstanceUid: row.study_instance_uid,
    jobId: row.job_id ?? undefined,
    modelKey: row.model_key ?? undefined,
    studyRevision: row.study_revision,
    payload: row.payload ?? undefined,
    wanted: row.wanted,
    attempts: row.attempts,
    contentDigest: row.content_digest ?? undefined,
    traceparent: row.traceparent ?? undefined,
    correlationId: row.correlation_id ?? undefined,
    causationId: row.causation_id ?? undefined,
    decisionId: row.decision_id,
    identityDigest: row.decision_digest,
    fence: row.fence,
  };
}
