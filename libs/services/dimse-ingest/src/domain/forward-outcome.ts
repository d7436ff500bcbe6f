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
  | { readonly end: 'sent' }
  /** Sending it again gives the same: it is kept for a person. */
  | { readonly end: 'failed'; readonly code: string }
  /** It is tried again after a pause of its own; the others of the destination go on. */
  | { readonly end: 'later'; readonly code: string; readonly delayMs: number }
  | AwayOutcome;

/** The destination takes nothing now: all of it waits. */
export interface AwayOutcome {
  readonly end: 'away';
  readonly code: string;
  /** It is held against this instance, too: the destination ended its association while it got it. */
  readonly attempted: boolean;
  /** It may be about this instance alone: `unlessOthersPass` says so. */
  readonly perhaps?: boolean;
  /** The others go first when it is back. */
  readonly delayMs?: number;
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
  // Out of resources: no instance is taken now, unless there is no room for such as this one only.
  if ((status & 0xff00) === 0xa700 || status === 0x0213) return perhapsAway(code, attempts);
  // Processing failure, and a message id in use: many peers say the first for anything that may pass.
  if (status === 0x0110 || status === 0x0210) return later(code, attempts);
  return { end: 'failed', code };
}

/** @param isOutage tells errors of libraries that say a dependency of ours is away */
export function afterError(
  error: unknown,
  attempts: number,
  isOutage: (error: unknown) => boolean = () => false,
): ForwardOutcome {
  const code = silenceOf(error) ?? errorCode(error);
  if (error instanceof ContextRefusedError) return { end: 'failed', code };
  // Also a permanent rejection: it is about the destination's settings or ours, not about this instance.
  if (error instanceof PeerUnreachableError || error instanceof AssociationRejectedError)
    return { end: 'away', code, attempted: false };
  // A destination that hangs hangs for all; where it does so at this one only, the others get past it.
  if (silences.includes(code)) return perhapsAway(code, attempts);
  if (error instanceof AssociationAbortedError)
    return attempts + 1 >= attemptsMax
      ? { end: 'failed', code }
      : { end: 'away', code, attempted: true, delayMs: retryMsMin };
  // The archive or the codecs, which are ours.
  if (isOutage(error) || (error instanceof CallosumError && error.kind === 'unavailable'))
    return { end: 'later', code, delayMs: retryMsMin };
  if (error instanceof CallosumError && error.kind !== 'internal') return { end: 'failed', code };
  return later(code, attempts);
}

const perhapsAway = (code: string, attempts: number): ForwardOutcome => ({
  end: 'away',
  code,
  attempted: false,
  perhaps: true,
  delayMs: retryMsOf(attempts),
});

/**
 * A destination that takes others and not this one may have no room for this one only (a quota, an object it cannot
 * read): then it is counted, and fails as any other that is not taken. One that takes none is away, at no cost.
 * @param passed whether the destination took another one since this one was last tried
 */
export const unlessOthersPass = (away: AwayOutcome, attempts: number, passed: boolean): ForwardOutcome => {
  if (!passed) return away;
  return attempts + 1 >= attemptsMax ? { end: 'failed', code: away.code } : { ...away, attempted: true };
};

const silenceOf = (error: unknown): string | undefined =>
  error instanceof AssociationAbortedError ? silences.find((code) => code === error.abortCode) : undefined;

const later = (code: string, attempts: number): ForwardOutcome =>
  attempts + 1 >= attemptsMax ? { end: 'failed', code } : { end: 'later', code, delayMs: retryMsOf(attempts) };

const retryMsOf = (attempts: number): number => Math.min(retryMsMax, retryMsMin * 2 ** attempts);

const pauseMsMin = 5_000;
const pauseMsMax = 15 * 60_000;

/** How long a destination that took nothing is left alone, after so many failures in a row: 5 s, doubled to 15 minutes. */
export const pauseAfter = (failures: number, random: () => number = Math.random): number => {
  const full = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(20, Math.max(0, failures - 1)));
  // Replicas do not come back at the same moment.
  return full * (0.8 + 0.2 * random());
};
