import { sql, type Kysely, type Transaction } from 'kysely';

import { ClaimLostError } from '../../application/errors.js';
import type { ClaimedPublication, PublicationKind, PublicationOutcome } from '../../application/ports.js';
import { type FailureCounts, noFailures } from '../../domain/attempts.js';
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
  refusals: number;
  defects: number;
  imaging_study_reference: string | null;
  diagnostic_report_reference: string | null;
  content_digest: string | null;
  traceparent: string | null;
  correlation_id: string | null;
  causation_id: string | null;
  decision_id: string;
  decision_state: 'linked' | 'quarantined';
  decision_digest: string;
  decided_at: Date;
  decision_traceparent: string | null;
  fence: number;
}

/** Due publications as a queue: one worker a study at a time, taken with SKIP LOCKED and a fencing token. */
export class PublicationQueue {
  constructor(private readonly db: Kysely<Tables>) {}

  /**
   * Takes the longest due publication of a study nobody works on, for `leaseMs`. Its study is leased, not the row:
   * two publications of one study write the same ImagingStudy. What was written under an earlier decision is brought
   * in line before anything new is written; of a study's rows due at the same time results come first, for the
   * ImagingStudy names the objects they stand on.
   */
  async claim(leaseMs: number): Promise<ClaimedPublication | undefined> {
    const { rows } = await sql<ClaimedRow>`
      with candidate as (
        select p.id, s.study_instance_uid
        from publication p join study s using (study_instance_uid)
        where p.state = 'due' and p.next_attempt_at <= now()
          and (s.decision_state = 'linked' or (s.decision_state = 'quarantined' and p.kind = 'correction'))
          and (s.lease_until is null or s.lease_until < now())
        order by (p.kind = 'correction') desc, p.next_attempt_at, (p.kind = 'imaging-study') limit 1
        for update of s, p skip locked
      ), taken as (
        update study s set lease_until = now() + make_interval(secs => ${leaseMs / 1000}), fence = s.fence + 1
        from candidate c where s.study_instance_uid = c.study_instance_uid
        returning c.id, s.decision_state, s.decision_id, s.decision_digest, s.decided_at, s.decision_traceparent, s.fence
      )
      select p.id, p.kind, p.study_instance_uid, p.job_id, p.model_key, p.study_revision, p.payload, p.wanted, p.attempts,
        p.refusals, p.defects, p.imaging_study_reference, p.diagnostic_report_reference, p.content_digest,
        p.traceparent, p.correlation_id, p.causation_id, t.decision_state, t.decision_id, t.decision_digest, t.decided_at,
        t.decision_traceparent, t.fence
      from taken t join publication p on p.id = t.id`.execute(this.db);
    const [row] = rows;
    return row && toClaimed(row);
  }

  /** True when a later revision of the same study and model was published already, even if it is on its way again. */
  async isOutdated({ studyInstanceUid, modelKey, studyRevision }: ClaimedPublication): Promise<boolean> {
    const row = await this.db
      .selectFrom('publication')
      .select('id')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('model_key', '=', modelKey ?? '')
      .where('kind', '=', 'result')
      .where('published_at', 'is not', null)
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
        ...noFailuresColumns,
        // Asked for again meanwhile, maybe because it must not stand: then it is written again whatever it says.
        content_digest: sql<string>`case when wanted = ${claim.wanted} then ${outcome.contentDigest} end`,
        decision_id: outcome.decisionId,
        patient_reference: outcome.patientReference,
        study_revision: outcome.studyRevision,
        imaging_study_reference: outcome.imagingStudy,
        diagnostic_report_reference: outcome.diagnosticReport,
        observations: JSON.stringify(outcome.writtenObservations),
        seg_sop_instance_uid: outcome.segSopInstanceUid,
        sr_sop_instance_uid: outcome.srSopInstanceUid,
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
    const change = { state, next_attempt_at: null, ...noFailuresColumns, decision_id: claim.decisionId };
    await this.finish(claim, change, async (trx) => {
      // While it was looked at, the ImagingStudy may have been written without its objects.
      if (claim.kind === 'result' && state === 'published') await wantStudyAgain(trx, claim);
    });
  }

  /** Sets the publication due again after `delayMs`. */
  async retry(claim: ClaimedPublication, errorCode: string, failures: FailureCounts, delayMs: number): Promise<void> {
    await this.finish(claim, {
      error_code: errorCode,
      ...failureColumns(failures),
      next_attempt_at: after(delayMs),
    });
  }

  /** Sets the publication aside for a person. */
  async park(claim: ClaimedPublication, errorCode: string): Promise<void> {
    await this.finish(claim, { state: 'parked', error_code: errorCode, next_attempt_at: null });
  }

  /**
   * Lets the study go without an outcome; what else is due for it need not wait. The publication stays due, after
   * `delayMs`: no text of the attempt is written, since that may be what cannot be. Nothing where another one has the
   * study by now.
   */
  async giveBack(claim: ClaimedPublication, failures: FailureCounts, delayMs: number): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      if (!(await releases(trx, claim))) return;
      await trx
        .updateTable('publication')
        .set({ ...failureColumns(failures), next_attempt_at: after(delayMs) })
        .where('id', '=', claim.id)
        .where('wanted', '=', claim.wanted)
        .execute();
    });
  }

  private async finish(
    claim: ClaimedPublication,
    change: object,
    also: (trx: Transaction<Tables>) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await release(trx, claim);
      await trx
        .updateTable('publication')
        .set(change)
        .where('id', '=', claim.id)
        .where('wanted', '=', claim.wanted)
        .execute();
      await also(trx);
    });
  }
}

const after = (delayMs: number) =>
  sql<Date>`case when state = 'due' then now() + make_interval(secs => ${delayMs / 1000}) end`;
const failureColumns = ({ outages, refusals, defects }: FailureCounts) => ({ attempts: outages, refusals, defects });
const noFailuresColumns = { ...failureColumns(noFailures), error_code: null };

async function wantStudyAgain(trx: Transaction<Tables>, { studyInstanceUid }: ClaimedPublication): Promise<void> {
  await trx
    .updateTable('publication')
    .set({ state: 'due', next_attempt_at: sql<Date>`now()`, wanted: sql<number>`wanted + 1` })
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('kind', '=', 'imaging-study')
    .where('state', '=', 'published')
    .execute();
}

async function release(trx: Transaction<Tables>, claim: ClaimedPublication): Promise<void> {
  if (!(await releases(trx, claim))) throw new ClaimLostError();
}

/** @returns false when another worker has the study now */
async function releases(trx: Transaction<Tables>, { studyInstanceUid, fence }: ClaimedPublication): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('study')
    .set({ lease_until: null })
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('fence', '=', fence)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
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
    failures: { outages: row.attempts, refusals: row.refusals, defects: row.defects },
    imagingStudy: row.imaging_study_reference || undefined,
    diagnosticReport: row.diagnostic_report_reference || undefined,
    contentDigest: row.content_digest ?? undefined,
    traceparent: row.traceparent ?? undefined,
    correlationId: row.correlation_id ?? undefined,
    causationId: row.causation_id ?? undefined,
    decision: row.decision_state,
    decisionId: row.decision_id,
    decidedAt: row.decided_at,
    decisionTraceparent: row.decision_traceparent ?? undefined,
    identityDigest: row.decision_digest,
    fence: row.fence,
  };
}
