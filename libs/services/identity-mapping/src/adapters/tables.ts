import type { ColumnType, Generated } from 'kysely';

import type { Evidence } from '../domain/decision.js';
import type { Reason } from '../domain/judgement.js';

type Timestamp = ColumnType<Date, Date | string, Date | string>;

export interface DecisionTable {
  decision_id: string;
  /** Order of decisions, of one study and of the quarantine list. */
  sequence: Generated<number>;
  study_instance_uid: string;
  identity_digest: string;
  state: 'linked' | 'quarantined';
  patient_reference: string | null;
  provisional: boolean;
  reasons: Reason[];
  decided_by: 'rules' | 'person';
  decided_by_name: string | null;
  resolves: string | null;
  action: string | null;
  evidence: ColumnType<Evidence, string, string>;
  decided_at: Timestamp;
  superseded_at: Timestamp | null;
  /** Until then a change is being made: no lease is given under this decision. */
  changing_until: Timestamp | null;
}

export interface PatientIdentifierTable {
  system: string;
  value: string;
  patient_reference: string | null;
  created_for: string | null;
  created_at: Generated<Date>;
}

export interface IdentifierLockTable {
  lock_key: string;
  token: number;
  locked_until: Timestamp;
}

export interface PublishLeaseTable {
  lease_id: string;
  decision_id: string;
  holder: string;
  lease_until: Timestamp;
  revoked_at: Timestamp | null;
}

export interface IdentityTables {
  decision: DecisionTable;
  patient_identifier: PatientIdentifierTable;
  identifier_lock: IdentifierLockTable;
  publish_lease: PublishLeaseTable;
}
