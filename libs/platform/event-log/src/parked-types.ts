import type { LogEvent } from './event.js';

export interface ParkedKey {
  readonly group: string;
  readonly topic: string;
  readonly key: string;
}

export interface ParkedEvent {
  readonly event: LogEvent;
  readonly group: string;
  readonly errorCode: string;
  readonly parkedAt: Date;
  /** When the service tries the key again by itself; absent when only a person gets it on, or it waits behind another. */
  readonly nextAttemptAt?: Date;
  /** Replays of this fact that found something away. */
  readonly retries: number;
}

export interface ReplayOptions {
  /** How many facts at most. */
  readonly eventsMax?: number;
  /** As the service does by itself: a fact is tried only when its time has come. */
  readonly onlyDue?: boolean;
  /** Once it aborts no further fact is begun. */
  readonly signal?: AbortSignal;
}

export interface ReplayOutcome {
  readonly replayed: number;
  /** Facts of the key that stay parked, the failed one first. */
  readonly left: number;
  /** Why the replay stopped. */
  readonly errorCode?: string;
  /** The error is transient: the service tries again by itself. */
  readonly retried?: boolean;
}

/** Which keys to list. */
export interface ParkedKeysQuery {
  readonly topic?: string;
  readonly after?: string;
  readonly limit: number;
}

export interface ParkedKeySummary extends ParkedKey {
  readonly items: number;
  /** Of the first of them. */
  readonly errorCode: string;
  readonly parkedAt: Date;
  /** When it is tried again without a person, if it is, and how many such attempts failed. */
  readonly nextAttemptAt?: Date;
  readonly retries?: number;
  /** Where a list goes on. */
  readonly position: string;
}

/** A key of a group whose first fact is to be tried again now. */
export interface DueKey extends Omit<ParkedKey, 'group'> {
  /** Of that fact's last attempt. */
  readonly errorCode: string;
}

export interface DropOrder {
  /** Only this one; every fact of the key without. */
  readonly eventId?: string;
  readonly droppedBy: string;
  readonly reason: string;
}
