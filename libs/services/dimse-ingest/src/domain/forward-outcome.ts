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
  /**
   * The destination takes nothing now: all of it waits. `attempted`: it ended its association while it got this instance,
   * which may be why. `delayMs`: the others go first when it is back.
   */
  | { readonly end: 'away'; readonly code: string; readonly attempted: boolean; readonly delayMs?: number };

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
  // Out of resources: no instance is taken now, whichever it is.
  if ((status & 0xff00) === 0xa700 || status === 0x0213) return { end: 'away', code, attempted: false };
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
  if (silences.includes(code)) return { end: 'away', code, attempted: false, delayMs: retryMsMin };
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

const silenceOf = (error: unknown): string | undefined =>
  error instanceof AssociationAbortedError ? silences.find((code) => code === error.abortCode) : undefined;

const later = (code: string, attempts: number): ForwardOutcome =>
  attempts + 1 >= attemptsMax
    ? { end: 'failed', code }
    : { end: 'later', code, delayMs: Math.min(retryMsMax, retryMsMin * 2 ** attempts) };

const pauseMsMin = 5_000;
const pauseMsMax = 15 * 60_000;

/** How long a destination that took nothing is left alone, after so many failures in a row: 5 s, doubled to 15 minutes. */
export const pauseAfter = (failures: number, random: () => number = Math.random): number => {
  const full = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(20, Math.max(0, failures - 1)));
  // Replicas do not come back at the same moment.
  return full * (0.8 + 0.2 * random());
};
