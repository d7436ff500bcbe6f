import type { ColumnType, Generated } from 'kysely';

import type { ImageValues } from '../domain/image-pixel.js';
import type { DicomJson, InstanceImage, StoredPixelLayout } from '../domain/instance.js';
import type { StatedSeries, StepStatus } from '../domain/procedure-step.js';

type Json<T> = ColumnType<T, string, string>;
type Timestamp = ColumnType<Date, Date | string, Date | string>;

/** One distinct set of identity attributes; instances point at it. */
export interface PatientTable {
  patient_digest: string;
  patient_id: string;
  issuer_of_patient_id: string;
  issuer_universal_entity_id: string;
  issuer_universal_entity_id_type: string;
  patient_name: string;
  patient_birth_date: string;
  patient_sex: string;
}

export interface StudyTable extends Omit<PatientTable, 'patient_digest'> {
  study_instance_uid: string;
  revision: number;
  state: 'receiving' | 'complete';
  identity_digest: string;
  inconsistent: boolean;
  /** Name component groups folded for matching: alphabetic, ideographic, phonetic. */
  name_key: string;
  name_key_ideographic: string;
  name_key_phonetic: string;
  source: string;
  first_stored_at: Timestamp;
  /** The instance study-level attributes were taken from, and the blob they were in. */
  representative_sha256: string;
  study_date: string | null;
  study_time_key: string | null;
  accession_number: string;
  study_id: string;
  study_description: string;
  referring_name_key: string;
  modalities: string[];
  series_count: number;
  instance_count: number;
  attributes: Json<DicomJson>;
  quiet_until: Timestamp | null;
  completed_at: Timestamp | null;
  /** Trace and correlation of the latest source instance: completion belongs to them. */
  traceparent: string | null;
  correlation_id: string | null;
  /** Since when it would be complete but for instances that the archive acknowledged and the index lacks. */
  waiting_since: Timestamp | null;
  waiting_told_at: Timestamp | null;
  /** Since when its quiet period is over, while its procedure steps hold it back. */
  held_since: Timestamp | null;
  /** When its retention is looked at next; null: at the next turn. */
  retention_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  /** Of what `study_text` has of it; null where nobody wrote that yet. */
  text_digest: ColumnType<string | null, string | undefined, string>;
}

/** Names, numbers and the description of a study as one text, see study-text: what parts of them are looked for in. */
export interface StudyTextTable {
  study_instance_uid: string;
  text: string;
}

export interface SeriesTable {
  study_instance_uid: string;
  series_instance_uid: string;
  modality: string;
  series_number: number | null;
  series_description: string;
  body_part_examined: string;
  laterality: string;
  frame_of_reference_uid: string;
  series_date: string | null;
  series_time_key: string | null;
  pps_start_date: string | null;
  representative_sha256: string;
  instance_count: number;
  source_instance_count: number;
  attributes: Json<DicomJson>;
  /** The study's revision in which this series was last told to be complete. */
  told_revision: number | null;
}

export interface InstanceTable {
  sop_instance_uid: string;
  study_instance_uid: string;
  series_instance_uid: string;
  sop_class_uid: string;
  transfer_syntax_uid: string;
  instance_revision: number;
  blob_key: string;
  blob_bytes: number;
  blob_sha256: string;
  issued_by_callosum: boolean;
  source: string;
  association_id: string;
  stored_at: Timestamp;
  patient_digest: string;
  instance_number: number | null;
  image: Json<InstanceImage>;
  pixel_data: Json<StoredPixelLayout | null>;
  metadata: Json<DicomJson>;
  /** The same as deflated text, see stored-pieces; of this blob, which is another one where the version before wrote. */
  metadata_pieces: ColumnType<Buffer | null, Uint8Array | undefined, Uint8Array>;
  metadata_pieces_blob: ColumnType<string | null, string | undefined, string>;
  /** How its samples lie, of the blob of the pieces; null where a version before wrote it. */
  image_pixel: ColumnType<ImageValues | null, string | undefined, string>;
  /** When it was last written, on the database's clock. */
  seen_at: Timestamp;
}

/** Where the frames of an instance with many are, see domain/frame-pages; of this blob. */
export interface InstanceFramesTable {
  sop_instance_uid: string;
  page: number;
  blob_key: string;
  ranges: ColumnType<Buffer, Uint8Array, Uint8Array>;
}

/** A sender's word that it is done with an association. */
export interface ReleaseTable {
  study_instance_uid: string;
  association_id: string;
  instance_count: number;
  released_at: Timestamp;
  recorded_at: Generated<Date>;
}

/** Instances that tombstones of the archive name, and what the last of them says. */
export interface WithheldInstanceTable {
  study_instance_uid: string;
  sop_instance_uid: string;
  series_instance_uid: string;
  sequence: number;
  withheld: boolean;
  /** It came; what a rejection note names may never come. */
  received: boolean;
}

/** Instances that a rejection note names and that did not come yet, with the patient of the note. */
export interface AwaitedRejectionTable {
  study_instance_uid: string;
  sop_instance_uid: string;
  note_uid: string;
  patient_id: string;
  issuer_of_patient_id: string;
  /** By the last note that did. */
  named_at: Generated<Date>;
}

/** What a modality last said of a procedure step, for each study the step names; also before anything of it is indexed. */
export interface ProcedureStepTable {
  study_instance_uid: string;
  procedure_step_uid: string;
  step_revision: number;
  status: StepStatus;
  series: Json<readonly StatedSeries[]>;
  study_count: number;
  reason_value: string | null;
  reason_scheme: string | null;
  source: string;
  changed_at: Timestamp;
  recorded_at: Timestamp;
}

/** One row for each completion: the evidence a revision was closed on. */
export interface RevisionTable {
  study_instance_uid: string;
  revision: number;
  evidence: string;
  series: Json<readonly { seriesInstanceUid: string; modality: string; instanceCount: number }[]>;
  completed_at: Timestamp;
  /** Its procedure steps as they were known; null before there were any. */
  procedure_steps: Json<readonly { procedureStepUid: string; status: StepStatus; instances: number }[]> | null;
  stated_missing: number | null;
}

export interface StudyIndexTables {
  patient: PatientTable;
  study: StudyTable;
  study_text: StudyTextTable;
  series: SeriesTable;
  instance: InstanceTable;
  instance_frames: InstanceFramesTable;
  release: ReleaseTable;
  procedure_step: ProcedureStepTable;
  withheld_instance: WithheldInstanceTable;
  awaited_rejection: AwaitedRejectionTable;
  revision: RevisionTable;
}
