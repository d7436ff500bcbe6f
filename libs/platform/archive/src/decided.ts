import type { IsOvertakenBy } from './note-decisions.js';
import type { TombstoneReason } from './tombstone-tables.js';

/** Who decides, and on what. */
export interface Decided {
  /** Opaque: it stands in events and rows. */
  readonly actor: string;
  /** Sequence of the study's last tombstone as the decision was made on; 0 for none. Not given: whatever it is. */
  readonly expectedSequence?: number | undefined;
}

export interface Hide extends Decided {
  readonly reason: Exclude<TombstoneReason, 'received-again'>;
  /** Document title of a rejection note, without its meaning. */
  readonly code?: { readonly value: string; readonly scheme: string } | undefined;
  /** A further one of the same cause changes nothing. */
  readonly cause?: string | undefined;
  readonly isOvertakenBy?: IsOvertakenBy | undefined;
  /** When the revision of a note that it stands on was stored: what earlier ones said has no more to say in a replay. */
  readonly revisedAt?: Date | undefined;
  /** Bytes are erased after this many milliseconds; null: never. */
  readonly eraseAfterMs: number | null;
}

export interface Restore extends Decided {
  /** Also what a note rejected and what Callosum withdrew; who names one instance means it whatever hides it. */
  readonly rejected?: boolean | undefined;
}
