import { type DicomJson, tagOf } from '@callosum/dicom';
import { CallosumError } from '@callosum/kernel';

import { TooLargeError } from './errors/door.js';
import { UnsupportedSopClassError, UnsupportedTransferSyntaxError } from './errors/store.js';

export interface StoredReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly status: 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels' | 'conflicting-study';
}

/** One object of a request: stored, or why not. */
export interface StoreResult {
  readonly stored?: StoredReference;
  /** Failure Reason (0008,1197), PS3.18 Table I.2-2. */
  readonly failureReason?: number;
  /** The SOP Instance that failed, where its header could be read. */
  readonly failed?: Pick<StoredReference, 'sopClassUid' | 'sopInstanceUid'>;
}

/** PS3.18 Table I.2-2, PS3.4 Table B.2-1. */
export const failureReasons = {
  processingFailure: 0x0110,
  sopClassNotSupported: 0x0122,
  outOfResources: 0xa700,
  doesNotMatchSopClass: 0xa900,
  cannotUnderstand: 0xc000,
  transferSyntaxNotSupported: 0xc122,
} as const;
/** Other Failures Sequence, newer than the dictionary's keywords. */
const otherFailuresSequence = '0008119A';
/**
 * Warning Reason (0008,1196), PS3.18 I.2.2. What the table names is untrue here: nothing was coerced (B000) or discarded
 * (B006), and the data set does match its SOP Class (B007), so that a client that acts on one of them would act wrongly.
 * The set is extensible; these two are of the class of warnings (Bxxx, PS3.7 C.3) and stand in the conformance statement.
 */
const warningReasons: Partial<Record<StoredReference['status'], number>> = {
  'conflicting-pixels': 0xb0c0,
  'conflicting-study': 0xb0c1,
};

/**
 * Why an object was not stored: A700 what may pass, and what passes a limit; A900 UIDs that are not those announced;
 * 0122 and C122 what is never stored; 0110 a defect of ours; C000 all else that is wrong with an object.
 */
export function failureReasonOf(error: unknown): number {
  if (!(error instanceof CallosumError) || error.kind === 'internal') return failureReasons.processingFailure;
  if (error.kind === 'unavailable' || error instanceof TooLargeError) return failureReasons.outOfResources;
  if (error instanceof UnsupportedSopClassError) return failureReasons.sopClassNotSupported;
  if (error instanceof UnsupportedTransferSyntaxError) return failureReasons.transferSyntaxNotSupported;
  return error.code === 'archive.uid-mismatch' ? failureReasons.doesNotMatchSopClass : failureReasons.cannotUnderstand;
}

/**
 * Status and Store Instances Response Module (PS3.18 10.5.3, Annex I.2): 200 when all are durable, 202 when some are or
 * one came with a warning, 409 when none is, 503 when none is because the archive cannot store now.
 */
export function storeResponse(
  results: readonly StoreResult[],
  baseUrl: string,
): { status: number; dataset: DicomJson } {
  const stored = results.flatMap((result) => (result.stored ? [result.stored] : []));
  const failures = results.flatMap(({ failureReason: reason, failed }) =>
    reason === undefined ? [] : [{ reason, failed }],
  );
  const dataset: DicomJson = {};
  const studies = new Set(stored.filter(isRetrieved).map(({ studyInstanceUid }) => studyInstanceUid));
  const [study] = studies;
  dataset[tagOf('RetrieveURL')] = retrieveUrl(
    study !== undefined && studies.size === 1 ? `${baseUrl}/studies/${study}` : undefined,
  );
  if (stored.length > 0)
    dataset[tagOf('ReferencedSOPSequence')] = { vr: 'SQ', Value: stored.map((one) => reference(one, baseUrl)) };
  // PS3.18 10.5.3.2 and Table I.2-1: Failed SOP Sequence names the SOP Instances that failed (both UIDs are Type 1 there);
  // what cannot be named stands in Other Failures Sequence, with its reason alone.
  const [named, unnamed] = [failures.filter(({ failed }) => failed), failures.filter(({ failed }) => !failed)];
  if (named.length > 0) dataset[tagOf('FailedSOPSequence')] = { vr: 'SQ', Value: named.map(failure) };
  if (unnamed.length > 0) dataset[otherFailuresSequence] = { vr: 'SQ', Value: unnamed.map(failure) };
  const reasons = failures.map(({ reason }) => reason);
  return { status: statusOf(stored, reasons), dataset };
}

/** An object that is kept beside the first of its UID is nowhere to be retrieved: its URL would be the first one's, or none. */
const isRetrieved = ({ status }: StoredReference): boolean =>
  status !== 'conflicting-pixels' && status !== 'conflicting-study';

/** Type 2: empty where there is no one place. */
const retrieveUrl = (url: string | undefined): DicomJson[string] =>
  url === undefined ? { vr: 'UR' } : { vr: 'UR', Value: [url] };

function failure({ reason, failed }: { reason: number; failed: StoreResult['failed'] }): DicomJson {
  return {
    ...(failed
      ? {
          [tagOf('ReferencedSOPClassUID')]: { vr: 'UI', Value: [failed.sopClassUid] },
          [tagOf('ReferencedSOPInstanceUID')]: { vr: 'UI', Value: [failed.sopInstanceUid] },
        }
      : {}),
    [tagOf('FailureReason')]: { vr: 'US', Value: [reason] },
  };
}

function reference(one: StoredReference, baseUrl: string): DicomJson {
  const warningReason = warningReasons[one.status];
  const url = `${baseUrl}/studies/${one.studyInstanceUid}/series/${one.seriesInstanceUid}/instances/${one.sopInstanceUid}`;
  return {
    [tagOf('ReferencedSOPClassUID')]: { vr: 'UI', Value: [one.sopClassUid] },
    [tagOf('ReferencedSOPInstanceUID')]: { vr: 'UI', Value: [one.sopInstanceUid] },
    [tagOf('RetrieveURL')]: retrieveUrl(isRetrieved(one) ? url : undefined),
    ...(warningReason === undefined ? {} : { [tagOf('WarningReason')]: { vr: 'US', Value: [warningReason] } }),
  };
}

function statusOf(stored: readonly StoredReference[], failures: readonly number[]): number {
  if (stored.length === 0) return failures.every((reason) => reason === failureReasons.outOfResources) ? 503 : 409;
  return failures.length > 0 || stored.some(({ status }) => warningReasons[status] !== undefined) ? 202 : 200;
}
