import type { operations } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { StudyStatusPart } from '@callosum/runtime';
import { sql } from 'kysely';

import type { PublicationState, Tables } from './tables.js';

/** As the contract says: a publication a job, the ImagingStudy and a correction. */
const publicationsMax = 100;

interface Row {
  readonly id: string;
  readonly kind: string;
  readonly state: PublicationState;
  readonly job_id: string | null;
  /** Of the model, [vendor, id] in JSON. */
  readonly model_key: string | null;
  readonly created_at: Date;
  readonly next_attempt_at: Date | null;
  readonly published_at: Date | null;
  readonly error_code: string | null;
  readonly attempts: number;
  readonly refusals: number;
  readonly defects: number;
  readonly in_archive: boolean;
  readonly in_fhir: boolean;
  readonly traceparent: string | null;
  readonly decision_state: string;
  readonly decision_traceparent: string | null;
  readonly total: number;
}

/** A study's publications: how each stands, and what one that waits is waiting for. */
export class StudyStatus {
  constructor(private readonly database: Database<Tables>) {}

  async of(studyInstanceUid: string): Promise<StudyStatusPart> {
    const { rows } = await sql<Row>`
      select p.id, p.kind, p.state, p.job_id, p.model_key, p.created_at, p.next_attempt_at, p.published_at, p.error_code,
        p.attempts, p.refusals, p.defects, p.traceparent, s.decision_state, s.decision_traceparent, count(*) over () as total,
        p.seg_sop_instance_uid <> '' or p.sr_sop_instance_uid <> '' as in_archive, p.published_at is not null as in_fhir
      from publication p join study s using (study_instance_uid)
      where study_instance_uid = ${studyInstanceUid}
      order by p.state in ('published', 'superseded'), p.created_at desc limit ${publicationsMax}`.execute(
      this.database.db,
    );
    return {
      publications: rows.map(toPublication),
      publicationsTotal: rows[0]?.total ?? 0,
      traceparents: [...rows.map(({ traceparent }) => traceparent), rows[0]?.decision_traceparent ?? null],
    };
  }
}

const toPublication = (row: Row): operations.StudyPublication => ({
  publicationId: row.id,
  kind: row.kind,
  state: row.state,
  waitsFor: row.state !== 'waiting' ? '' : row.decision_state === 'linked' ? 'completion' : 'identity',
  jobId: row.job_id ?? '',
  model: row.model_key ? String((JSON.parse(row.model_key) as unknown[])[1] ?? '') : '',
  createdAt: row.created_at.toISOString(),
  nextAttemptAt: row.next_attempt_at?.toISOString(),
  publishedAt: row.published_at?.toISOString(),
  errorCode: row.error_code ?? '',
  attempts: row.attempts,
  refusals: row.refusals,
  defects: row.defects,
  sinks: [...(row.in_archive ? ['archive'] : []), ...(row.in_fhir ? ['fhir'] : [])],
});
