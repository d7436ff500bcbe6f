import {
  AssociationAbortedError,
  AssociationRejectedError,
  ContextRefusedError,
  isStored,
  PeerUnreachableError,
  statusText,
} from '@callosum/dimse';
import { CallosumError, errorCode } from '@callosum/kernel';

/** What becomes of one instance after an attempt to send it. */
export type ForwardOutcome =
  /** The destination has it. */
  { readonly end: 'sent' } | FailedOutcome | LaterOutcome | AwayOutcome | RefusedOutcome;

/** Sending it again gives the same: it is kept for a person. */
export interface FailedOutcome {
  readonly end: 'failed';
  readonly code: string;
  /** The answer may be to this instance or to all: see `unlessAll`. */
  readonly isVague?: true;
}

/** It is tried again after a pause of its own; the others of the destination go on. */
export interface LaterOutcome {
  readonly end: 'later';
  readonly code: string;
  readonly delayMs: number;
  /** It is held against this instance. */
  readonly attempted: boolean;
  /** The destination did not take it, and it is about this instance: see `judge`. */
  readonly refusal?: Refusal;
}

/** The destination takes nothing now: all of it waits. */
export interface AwayOutcome {
  readonly end: 'away';
  readonly code: string;
  readonly refusal?: undefined;
}

/** The destination did not take this instance. It may take none, or not this one: `judge` tells, as far as can be told. */
export interface RefusedOutcome {
  readonly end: 'away';
  readonly code: string;
  readonly refusal: Refusal;
  /** Others go first when the destination is tried again. */
  readonly delayMs: number;
  readonly attempted: boolean;
  /** It was refused before since the destination took one. */
  readonly again: boolean;
}

/** How a destination does not take an instance: says so, says nothing, or ends the association. */
export type Refusal = 'answer' | 'silence' | 'break';

/** What is known of the destination when it did not take an instance. */
export interface Standing {
  /**
   * Of this instance: it was never refused; the destination took another one since it was; or it took none since.
   */
  readonly since: 'never' | 'passed' | 'again';
  /**
   * Instances refused, or failed by a vague answer, since the destination took one; without this one unless it was among
   * those refused.
   */
  readonly refused: number;
}

/** Of an instance that was hidden from others before it was sent. */
export const withdrawnCode = 'dimse-ingest.withdrawn';

/** Enough to tell a moment (a restart, a full queue) from an instance the destination cannot take. */
const attemptsMax = 5;
const retryMsMin = 30_000;
const retryMsMax = 15 * 60_000;
/** Our patience with a peer ended. */
const silences: readonly string[] = ['dimse.no-response', 'dimse.stalled'];

/**
 * @param attempts failed before, of this instance
 * @param status of the C-STORE response (PS3.4 table B.2-1, PS3.7 annex C)
 */
export function afterAnswer(status: number, attempts: number): ForwardOutcome {
  const code = statusText(status);
  if (isStored(status)) return { end: 'sent' };
  // Out of resources: no instance is taken now, unless there is no room for such as this one only. Not authorized: what the
  // peer's settings say of us, and of this one only where it takes others.
  if ((status & 0xff00) === 0xa700 || status === 0x0213 || status === 0x0124) return refused(code, 'answer', attempts);
  // Processing failure, and a message id in use: many peers say the first for anything that may pass.
  if (status === 0x0110 || status === 0x0210) return vague(later(code, attempts));
  const failed = { end: 'failed', code } as const;
  // "Cannot understand" is what a peer says, too, whose database is away.
  return (status & 0xf000) === 0xc000 ? vague(failed) : failed;
}

const vague = (outcome: LaterOutcome | FailedOutcome): LaterOutcome | FailedOutcome =>
  outcome.end === 'failed' ? { ...outcome, isVague: true } : outcome;

/** @param isOutage tells errors of libraries that say a dependency of ours is away */
export function afterError(
  error: unknown,
  attempts: number,
  isOutage: (error: unknown) => boolean = () => false,
): ForwardOutcome {
  const code = silenceOf(error) ?? errorCode(error);
  if (error instanceof ContextRefusedError) return { end: 'failed', code };
  // Also a permanent rejection: it is about the destination's settings or ours, not about this instance.
  if (error instanceof PeerUnreachableError || error instanceof AssociationRejectedError) return { end: 'away', code };
  // A destination that hangs hangs for all; where it does so at this one only, the others get past it.
  if (silences.includes(code)) return refused(code, 'silence', attempts);
  if (error instanceof AssociationAbortedError) return refused(code, 'break', attempts);
  // The archive or the codecs, which are ours: nothing that this instance is to be blamed for.
  if (isOutage(error) || (error instanceof CallosumError && error.kind === 'unavailable'))
    return { end: 'later', code, delayMs: retryMsMin, attempted: false };
  if (error instanceof CallosumError && error.kind !== 'internal') return { end: 'failed', code };
  return later(code, attempts);
}

const refused = (code: string, refusal: Refusal, attempts: number): RefusedOutcome => ({
  end: 'away',
  code,
  refusal,
  attempted: false,
  again: false,
  delayMs: retryMsOf(attempts),
});

/** A destination that refused more different instances than this in a row takes none, whatever they are. */
const oddMax = 16;

/**
 * Whether a destination that did not take an instance is away or does not take this one only (a quota, an object that it
 * cannot read or that brings it down). It is about this one where the destination took another since it last refused it,
 * and from then on as long as only few are refused; where the destination ends associations at it again and again, also
 * without that. Then it is counted, fails as any other that is not taken, and the others need not wait for it. A
 * destination that takes none is away, at no cost to any where it answers, is silent, or many are refused.
 */
export const judge = (
  outcome: RefusedOutcome,
  attempts: number,
  { since, refused: among }: Standing,
): LaterOutcome | RefusedOutcome | FailedOutcome => {
  const { code, refusal, delayMs } = outcome;
  const again = since === 'again';
  const inRow = again ? among : among + 1;
  const aboutThis = since === 'passed' || (again && (attempts > 0 || refusal === 'break'));
  if (inRow > oddMax || !aboutThis) return { ...outcome, again };
  if (attempts + 1 >= attemptsMax) return { end: 'failed', code };
  // Known by now, and its association still stands.
  if (again && refusal === 'answer') return { end: 'later', code, delayMs, attempted: true, refusal };
  return { ...outcome, again, attempted: true };
};

/**
 * What fails by a vague answer fails, unless the destination took none of more than sixteen different ones: then it takes
 * none, whatever it says, and is one that refuses.
 */
export const unlessAll = (
  outcome: FailedOutcome,
  attempts: number,
  { since, refused: among }: Standing,
): FailedOutcome | RefusedOutcome => {
  const again = since === 'again';
  const inRow = again ? among : among + 1;
  return inRow > oddMax ? { ...refused(outcome.code, 'answer', attempts), again } : outcome;
};

const silenceOf = (error: unknown): string | undefined =>
  error instanceof AssociationAbortedError ? silences.find((code) => code === error.abortCode) : undefined;

const later = (code: string, attempts: number): LaterOutcome | FailedOutcome =>
  attempts + 1 >= attemptsMax
    ? { end: 'failed', code }
    : { end: 'later', code, delayMs: retryMsOf(attempts), attempted: true };

const retryMsOf = (attempts: number): number => Math.min(retryMsMax, retryMsMin * 2 ** attempts);

const pauseMsMin = 5_000;
const pauseMsMax = 15 * 60_000;

/** How long a destination that took nothing is left alone, after so many failures in a row: 5 s, doubled to 15 minutes. */
export const pauseAfter = (failures: number, random: () => number = Math.random): number => {
  const full = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(20, Math.max(0, failures - 1)));
  // Replicas do not come back at the same moment.
  return full * (0.8 + 0.2 * random());
};

/**
 * How many instances the next visit tries of a destination that is reached and takes none: one, two, … eight, as the pauses
 * between visits grow. So good ones behind odd ones are found, and one that has no room is not asked more than some eight
 * times in 15 minutes.
 * @param visits before it, in a row
 */
export const triesAfter = (visits: number): number => Math.min(visits + 1, 8);

/** Where a destination that refuses instances is tried next. */
export type ForwardPlace =
  /** From the first on of the study that came last: it is in order, and mostly another one. */
  | 'last-study'
  /** From so far on between the oldest that was never refused, 0, and the newest, 1. */
  | number;

/** Every so often the last study and the newest are tried again: what comes meanwhile is there. */
const places = 16;

/**
 * Each time elsewhere among what was never refused, so that good ones are found wherever they stand: the last study, the
 * newest, the oldest, the middle, the quarters, and on between these.
 * @param refusals in a row, at least 1
 */
export const placeAfter = (refusals: number): ForwardPlace => {
  const turn = (refusals - 1) % places;
  if (turn === 0) return 'last-study';
  if (turn === 1) return 1;
  const nth = Math.floor((refusals - 1) / places) * (places - 2) + turn - 2;
  // Its binary digits in reverse behind the point (van der Corput): 0, 1/2, 1/4, 3/4, 1/8, ….
  let place = 0;
  for (let digits = nth, part = 0.5; digits > 0; digits >>= 1, part /= 2) place += (digits & 1) * part;
  return place;
};
