import type { Observation } from '@callosum/fhir';
import type { ColumnType, Generated, JSONColumnType } from 'kysely';

import type { PublicationKind } from '../../application/ports.js';
import type { PatientResource } from '../../domain/fhir/patient-resources.js';

export type PublicationState =
  /** For a link, or for the study's completion; also what was published and is withdrawn. */
  | 'waiting'
  /** To be tried at `next_attempt_at`. */
  | 'due'
  | 'published'
  /** A later revision of the same study and model stands in its place. */
  | 'superseded'
  /** Refused for good; a person looks at `error_code`. */
  | 'parked';

type Moment = ColumnType<Date, Date | string, Date | string>;

export interface StudyTable {
  study_instance_uid: string;
  /** Of the study's latest fact. */
  identity_digest: Generated<string>;
  completed_revision: number | null;
  decision_state: Generated<'none' | 'linked' | 'quarantined'>;
  decision_id: string | null;
  decision_digest: string | null;
  patient_reference: string | null;
  decided_at: Moment | null;
  /** Where the decision was taken note of: what is published under it links there. */
  decision_traceparent: string | null;
  lease_until: Moment | null;
  fence: Generated<number>;
}

export interface PublicationTable {
  id: string;
  study_instance_uid: string;
  kind: PublicationKind;
  job_id: string | null;
  model_key: string | null;
  study_revision: number;
  payload: JSONColumnType<object> | null;
  state: PublicationState;
  wanted: Generated<number>;
  /** Outages met since it was asked for. */
  attempts: Generated<number>;
  refusals: Generated<number>;
  defects: Generated<number>;
  next_attempt_at: Moment | null;
  error_code: string | null;
  traceparent: string | null;
  correlation_id: string | null;
  causation_id: string | null;
  content_digest: string | null;
  decision_id: string | null;
  patient_reference: string | null;
  imaging_study_reference: string | null;
  diagnostic_report_reference: string | null;
  observations: JSONColumnType<Observation[]> | null;
  seg_sop_instance_uid: string | null;
  sr_sop_instance_uid: string | null;
  created_at: Generated<Date>;
  published_at: Moment | null;
}

/** FHIR resources of a study that were ever about to be written, by the identifiers they are found by. */
export interface WrittenResourceTable {
  study_instance_uid: string;
  resource_type: PatientResource['resourceType'];
  system: string;
  value: string;
}

/** SEG and SR ever made of a study. Those its publications name now stand; the others are outdated. */
export interface IssuedInstanceTable {
  sop_instance_uid: string;
  study_instance_uid: string;
  publication_id: string;
}

/** Tables of the schema result_publisher. */
export interface Tables {
  study: StudyTable;
  publication: PublicationTable;
  written_resource: WrittenResourceTable;
  issued_instance: IssuedInstanceTable;
}
