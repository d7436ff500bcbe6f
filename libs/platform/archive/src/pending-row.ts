import type { Selectable } from 'kysely';

import type { WrittenInstance } from './instance-bytes.js';
import type { IntakeRow } from './tables.js';

export type LedgerEntry = Selectable<IntakeRow>;
export type Origin = IntakeRow['origin'];

/** Where an object comes from, and what its events carry on. */
export interface Intake {
  readonly origin: Origin;
  /** Calling AE title, or the name of the HTTP source. */
  readonly source: string;
  readonly associationId?: string;
  /** One per transfer: what came together. */
  readonly correlationId?: string;
}

/** An object that waits for its row. */
export interface PendingRow {
  readonly written: WrittenInstance;
  readonly intake: Intake;
  readonly storedAt: Date;
  readonly traceparent: string | undefined;
  /** Not 0 when a recovery found it: what `revision_floor` of its fact says. */
  readonly revisionFloor: number;
}

/** What becomes of a further object of a UID, and whether it is the current one from then on. */
export interface Revision {
  readonly decision: IntakeRow['decision'];
  readonly current: boolean;
  readonly revision: number;
}
