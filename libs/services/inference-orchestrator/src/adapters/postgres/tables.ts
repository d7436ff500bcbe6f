import type { ColumnType, Generated } from 'kysely';

import type { HeldReason, StepStatus } from '../../domain/scheduling.js';

type Moment = ColumnType<Date, Date | string, Date | string>;

export interface ModelTable {
  model_id: string;
  version: string;
  /** ProtoJSON of `callosum.worker.v1.Manifest`. */
  manifest: ColumnType<object, string, string>;
  first_registered_at: Generated<Date>;
  /** The version of a model that registered last gets its new jobs. */
  registered_at: Generated<Date>;
  /** When a worker last registered it or was heard of serving it. */
  seen_at: Generated<Date>;
  /** Set when it was not seen for long: it gets no more jobs. */
  retired_at: Moment | null;
  /** Studies completed since then are still to be offered to it; null once they were. */
  backfill_from: Moment | null;
  backfill_next_at: Moment | null;
  /** The last study considered so far, by completion and UID; null before the first portion. */
  backfill_after: Moment | null;
  backfill_after_study: string | null;
}

/** Studies that completed, for models that register later. */
export interface StudyTable {
  study_instance_uid: string;
  revision: number;
  completed_at: Moment;
  /** Why jobs that follow from it are held. */
  held_reason: HeldReason | null;
  traceparent: string | null;
  correlation_id: string | null;
  causation_id: string | null;
}

export type JobState = 'queued' | 'running' | 'completed' | 'failed' | 'superseded';

export interface JobTable {
  id: string;
  study_instance_uid: string;
  study_revision: number;
  series_instance_uid: string;
  sop_instance_uids: string[];
  input_digest: string;
  columns: number;
  rows: number;
  slices: number;
  model_id: string;
  model_version: string;
  evidence: string[];
  state: Generated<JobState>;
  attempts: Generated<number>;
  /** Rises with each offer: a frame with an older one is refused. */
  fencing_token: Generated<number>;
  next_attempt_at: Moment | null;
  /** Offered to nobody while queued; a running attempt goes on, and no further one is offered. */
  held_reason: HeldReason | null;
  /** When a person let it go: nothing holds it again. */
  released_at: Moment | null;
  lease_until: Moment | null;
  deadline_at: Moment | null;
  worker_instance_id: string | null;
  progress: number | null;
  stage: string | null;
  error_code: string | null;
  result_digest: string | null;
  /** Object of the accepted result's label map. */
  artifact_key: string | null;
  traceparent: string | null;
  correlation_id: string | null;
  causation_id: string | null;
  scheduled_at: Generated<Date>;
  attempt_started_at: Moment | null;
  ended_at: Moment | null;
}

/** Procedure steps of studies, as far as jobs depend on them. */
export interface ProcedureStepTable {
  study_instance_uid: string;
  procedure_step_uid: string;
  /** 0 where only the completion of the study told of it. */
  step_revision: number;
  status: StepStatus;
  /** Discontinued for a worklist entry that was not its patient's. */
  wrong_entry: Generated<boolean>;
  recorded_at: Generated<Date>;
}

/** Label maps workers wrote for a job, by digest. */
export interface LabelMapTable {
  job_id: string;
  sha256: string;
  object_key: string;
  labels: number[];
  stored_at: Generated<Date>;
}

/** Vendors' credentials; of a token only its hash. */
export interface WorkerCredentialTable {
  id: string;
  vendor: string;
  label: string;
  token_sha256: string;
  issued_at: Generated<Date>;
  issued_by: string;
  expires_at: Moment | null;
  revoked_at: Moment | null;
  last_used_at: Moment | null;
}

export interface Tables {
  model: ModelTable;
  study: StudyTable;
  job: JobTable;
  procedure_step: ProcedureStepTable;
  label_map: LabelMapTable;
  worker_credential: WorkerCredentialTable;
}
