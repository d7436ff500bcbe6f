import { createHash } from 'node:crypto';

import { type CommitmentReport, FailureReason, isWarning, type SopReference, statusText } from '@callosum/dimse';

import { ReportRefusedError } from './commitment-errors.js';

/** A commitment request that was taken (PS3.4 J.3.2) and whose requestor is to hear what became of it. */
export interface Commitment {
  readonly id: string;
  /** Calling AE title of the requestor. */
  readonly aet: string;
  readonly transactionUid: string;
  readonly references: readonly SopReference[];
  /** Another request of this requestor has the Transaction UID: nothing of this one is committed to. */
  readonly isDuplicate: boolean;
  /** Reports of it that failed or were refused. */
  readonly attempts: number;
  readonly traceparent?: string;
}

/** Why an instance is not committed to: its Failure Reason (0008,1197), PS3.3 C.14.1.1, and when a report has it. */
export const commitmentFailures = {
  notKept: {
    reason: FailureReason.NoSuchObjectInstance,
    when: 'No such object is kept, its bytes are not in the object store any more, or it is hidden by a rejection note, retention or a person: whether its bytes are still there or erased',
  },
  otherClass: { reason: FailureReason.ClassInstanceConflict, when: 'It is kept under another SOP class' },
  duplicateTransaction: {
    reason: FailureReason.DuplicateTransactionUid,
    when: 'The Transaction UID stands for another request of the same AE title; then it is the reason of all instances',
  },
} as const;

/** SOP classes under which the archive keeps an instance; absent when it keeps none. */
export type KeptClasses = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * What is committed to (PS3.4 J.3.3): what the archive keeps under this SOP class, as the current revision or as one
 * that is kept beside it. Each reference is answered once.
 */
export function judgeCommitment(
  { transactionUid, references, isDuplicate }: Pick<Commitment, 'transactionUid' | 'references' | 'isDuplicate'>,
  kept: KeptClasses,
): CommitmentReport {
  const distinct = new Map(references.map((one) => [`${one.sopInstanceUid} ${one.sopClassUid}`, one]));
  const committed: SopReference[] = [];
  const failed: (SopReference & { failureReason: number })[] = [];
  for (const reference of distinct.values()) {
    const failureReason = isDuplicate ? commitmentFailures.duplicateTransaction.reason : failureOf(reference, kept);
    if (failureReason === undefined) committed.push(reference);
    else failed.push({ ...reference, failureReason });
  }
  return { transactionUid, committed, failed };
}

function failureOf({ sopClassUid, sopInstanceUid }: SopReference, kept: KeptClasses): number | undefined {
  const classes = kept.get(sopInstanceUid);
  if (!classes || classes.size === 0) return commitmentFailures.notKept.reason;
  return classes.has(sopClassUid) ? undefined : commitmentFailures.otherClass.reason;
}

/** Tells whether two requests ask for the same, in whatever order. */
export function digestOfReferences(references: readonly SopReference[]): string {
  const hash = createHash('sha256');
  for (const line of references.map((one) => `${one.sopInstanceUid} ${one.sopClassUid}\n`).sort()) hash.update(line);
  return hash.digest('hex');
}

/** Tells whether two lists name the same instances: a provider that keeps one under another SOP class may name that. */
export function digestOfUids(references: readonly SopReference[]): string {
  const hash = createHash('sha256');
  for (const uid of [...new Set(references.map(({ sopInstanceUid }) => sopInstanceUid))].sort())
    hash.update(`${uid}\n`);
  return hash.digest('hex');
}

/** @param status the requestor's answer to a report @throws {ReportRefusedError} */
export function assertTaken(status: number): void {
  if (status !== 0 && !isWarning(status)) throw new ReportRefusedError(statusText(status));
}

const pauseMsMin = 10_000;
/** A requestor that comes back after a night is told within a quarter of an hour. */
const pauseMsMax = 900_000;

/** Until the next attempt, after this many that failed in a row, in milliseconds. */
export const pauseAfter = (attempts: number): number =>
  Math.min(pauseMsMin * 2 ** Math.min(Math.max(attempts - 1, 0), 10), pauseMsMax);
