import type { ColumnType, Generated } from 'kysely';

export interface ForwardingRuleTable {
  id: string;
  /** What `forwardingRuleInput` gives. */
  rule: ColumnType<unknown, string, string>;
  created_at: Generated<Date>;
}

/** A destination that something was queued for. */
export interface ForwardDestinationTable {
  destination: string;
  /** In a row that it was not reached. */
  failures: Generated<number>;
  /** In a row that it was reached and did not take an instance. */
  refusals: Generated<number>;
  /** Different instances among those, and those that failed by a vague answer. */
  refused: Generated<number>;
  /** In a row that it was left alone after them. */
  visits: Generated<number>;
  /** Left alone until then. */
  next_attempt_at: Generated<Date>;
  error_code: string | null;
  failed_at: Date | null;
  answered_at: Date | null;
}

/** One instance for one destination. UIDs only. */
export interface ForwardQueueTable {
  id: Generated<number>;
  destination: string;
  study_instance_uid: string;
  sop_instance_uid: string;
  sop_class_uid: string;
  transfer_syntax_uid: string;
  revision: number;
  transcode: boolean;
  state: 'waiting' | 'failed' | 'sent' | 'dropped';
  attempts: Generated<number>;
  error_code: string | null;
  next_attempt_at: Generated<Date>;
  /** When the destination last refused it. */
  tried_at: Date | null;
  lease_until: Date | null;
  fence: number | null;
  traceparent: string | null;
  created_at: Generated<Date>;
  ended_at: Date | null;
}

/** A worker's place at a destination. */
export interface ForwardLeaseTable {
  fence: number;
  destination: string;
  lease_until: Date;
}

export interface ForwardingTables {
  forwarding_rule: ForwardingRuleTable;
  forward_destination: ForwardDestinationTable;
  forward_queue: ForwardQueueTable;
  forward_lease: ForwardLeaseTable;
}
