import type { ColumnType, Generated } from 'kysely';

export interface PullTable {
  id: string;
  /** In the order they were asked for. */
  number: Generated<number>;
  source: string;
  /** `PullSelector`; holds a patient's identifiers until it is erased. */
  selector: ColumnType<unknown, string, string | null>;
  /** Of source and selector; erased with it. */
  request_digest: string | null;
  state: 'open' | 'completed' | 'failed' | 'cancelled';
  /** Its studies are in `pull_study`. */
  is_found: Generated<boolean>;
  /** Why there may be studies that were not found. */
  incomplete_code: string | null;
  attempts: Generated<number>;
  error_code: string | null;
  next_attempt_at: Generated<Date>;
  /** Since its source first failed it, and nothing has come from it. */
  away_since: Date | null;
  lease_until: Date | null;
  fence: Generated<number>;
  requested_by: string;
  traceparent: string | null;
  created_at: Generated<Date>;
  ended_at: Date | null;
}

export interface PullStudyTable {
  pull_id: string;
  study_instance_uid: string;
  expected: number | null;
  sop_class_uids: string[];
  state: 'waiting' | 'completed' | 'failed';
  /** Times it was asked for. */
  attempts: Generated<number>;
  /** Times it failed by itself since its source last gave a study. */
  failures: Generated<number>;
  received: Generated<number>;
  failed: Generated<number>;
  error_code: string | null;
}

/** Idempotency-Keys, of a caller each. Forgotten when their pull's digest is erased: nothing tells another request then. */
export interface PullKeyTable {
  subject: string;
  key: string;
  pull_id: string;
  number: Generated<number>;
}

export interface PullTables {
  pull: PullTable;
  pull_study: PullStudyTable;
  pull_key: PullKeyTable;
}
