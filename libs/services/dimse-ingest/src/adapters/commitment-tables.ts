import type { CommitmentReport } from '@callosum/dimse';
import type { ColumnType, Generated } from 'kysely';

/** A storage commitment request: UIDs and titles, nothing of a patient. */
export interface CommitmentTable {
  id: string;
  aet: string;
  transaction_uid: string;
  digest: string;
  is_duplicate: boolean;
  /** [SOP class, SOP instance] of each. `json`: read as a whole, never searched. Empty once it ended. */
  sop_references: ColumnType<readonly (readonly [string, string])[], string, string>;
  /** How many they are while it waits; once it ended they are gone. */
  reference_count: Generated<number>;
  state: 'waiting' | 'reported' | 'given-up';
  /** When others than the association it came on may report it, or after a refusal the next attempt. */
  due_at: Date;
  attempts: Generated<number>;
  error_code: string | null;
  association_id: string;
  traceparent: string | null;
  requested_at: Generated<Date>;
  ended_at: Date | null;
}

/** Whom reports go to: one worker at a time, and a pause of its own. */
export interface CommitmentRequestorTable {
  aet: string;
  next_attempt_at: Generated<Date>;
  lease_until: Date | null;
  fence: Generated<number>;
  attempts: Generated<number>;
}

/** A commitment that we asked another node for. */
export interface CommitmentAskedTable {
  transaction_uid: string;
  /** Called AE title. */
  aet: string;
  instance_count: number;
  /** Of their UIDs, in whatever order; null where it was asked before this was kept. */
  uids_digest: string | null;
  requested_at: Generated<Date>;
  /** What the node reported; null until then. `json`: read as a whole. */
  report: ColumnType<CommitmentReport | null, string | null, string>;
  reported_at: Date | null;
}

export interface CommitmentTables {
  commitment: CommitmentTable;
  commitment_asked: CommitmentAskedTable;
  commitment_requestor: CommitmentRequestorTable;
}
