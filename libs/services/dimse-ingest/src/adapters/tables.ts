import type { ColumnType, Generated } from 'kysely';

import type { ForwardingTables } from './forwarding-tables.js';
import type { PullTables } from './pull-tables.js';
import type { StepStatus } from '../domain/procedure-step.js';
import type { CommitmentTables } from './commitment-tables.js';
import type { EntityTables } from './entity-tables.js';

/** A modality performed procedure step. Its attributes hold the patient's; they leave this schema by N-GET alone. */
export interface ProcedureStepTable {
  sop_instance_uid: string;
  revision: number;
  /** As in the attributes: for people who look. */
  status: StepStatus;
  source: string;
  /** DICOM JSON Model. `json`, not `jsonb`: text as it came, NUL and all. */
  attributes: ColumnType<unknown, string, string>;
  created_digest: string;
  set_digest: string;
  /** Of the attributes, as they are written. */
  byte_count: number;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

/** What is kept of the steps of one AE. */
export interface ProcedureStepRoomTable {
  source: string;
  steps: number;
  bytes: number;
}

export interface DimseIngestTables extends CommitmentTables, EntityTables, ForwardingTables, PullTables {
  procedure_step: ProcedureStepTable;
  procedure_step_room: ProcedureStepRoomTable;
}
