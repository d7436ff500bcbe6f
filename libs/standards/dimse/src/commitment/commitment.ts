import {
  type Attributes,
  type DicomDataset,
  DicomParseError,
  datasetOf,
  encodeDataset,
  parseDataset,
} from '@callosum/dicom';
import { isUid } from '@callosum/kernel';

import { commitmentRefusals } from '../answers.js';
import { DimseStatusError } from '../errors.js';
import { messageParseLimits } from '../message-limits.js';

// Storage Commitment Push Model, PS3.4 annex J.

/** Storage Commitment Push Model SOP class. */
export const storageCommitmentClass = '1.2.840.10008.1.20.1';
/** Its well-known SOP instance. */
export const storageCommitmentInstance = '1.2.840.10008.1.20.1.1';
/** Action Type ID of Request Storage Commitment (PS3.4 J.3.2). */
export const requestCommitmentAction = 1;
/** Event Type IDs (PS3.4 J.3.3): all is committed to, or something is not. */
export const CommitmentEvent = Object.freeze({ Successful: 1, FailuresExist: 2 });

/** Failure Reason (0008,1197), PS3.3 C.14.1.1. */
export const FailureReason = Object.freeze({
  ProcessingFailure: 0x0110,
  NoSuchObjectInstance: 0x0112,
  ClassInstanceConflict: 0x0119,
  ReferencedSopClassNotSupported: 0x0122,
  DuplicateTransactionUid: 0x0131,
  ResourceLimitation: 0x0213,
});

export interface SopReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

export interface CommitmentRequest {
  readonly transactionUid: string;
  readonly references: readonly SopReference[];
}

export interface FailedReference extends SopReference {
  readonly failureReason: number;
}

export interface CommitmentReport {
  readonly transactionUid: string;
  readonly committed: readonly SopReference[];
  readonly failed: readonly FailedReference[];
  /** Where the instances can be retrieved from, when the provider says so. */
  readonly retrieveAet?: string;
}

/** Event Type ID of a report. */
export const eventTypeOf = ({ failed }: Pick<CommitmentReport, 'failed'>): number =>
  failed.length === 0 ? CommitmentEvent.Successful : CommitmentEvent.FailuresExist;

/** Action information of an N-ACTION (PS3.4 table J.3-1). */
export const encodeCommitmentRequest = (
  { transactionUid, references }: CommitmentRequest,
  transferSyntaxUid: string,
): Buffer =>
  encoded({ TransactionUID: transactionUid, ReferencedSOPSequence: references.map(itemOf) }, transferSyntaxUid);

/** Event information of an N-EVENT-REPORT (PS3.4 table J.3-2). */
export const encodeCommitmentReport = (
  { transactionUid, committed, failed, retrieveAet }: CommitmentReport,
  transferSyntaxUid: string,
): Buffer =>
  encoded(
    {
      TransactionUID: transactionUid,
      RetrieveAETitle: retrieveAet,
      FailedSOPSequence:
        failed.length === 0
          ? undefined
          : failed.map((reference) => ({ ...itemOf(reference), FailureReason: reference.failureReason })),
      ReferencedSOPSequence: committed.length === 0 ? undefined : committed.map(itemOf),
    },
    transferSyntaxUid,
  );

/**
 * @param referencesMax more than these are refused
 * @throws {DimseStatusError} 0115 for what is no request, 0213 for too many references
 */
export function decodeCommitmentRequest(
  bytes: Buffer | undefined,
  transferSyntaxUid: string,
  referencesMax: number,
): CommitmentRequest {
  const dataset = decoded(bytes, transferSyntaxUid, 4 * referencesMax);
  const items = dataset.sequence('ReferencedSOPSequence');
  if (items.length === 0) throw invalid('ReferencedSOPSequence has no item', '00081199');
  if (items.length > referencesMax)
    throw new DimseStatusError(commitmentRefusals.tooManyReferences.status, {
      comment: `more than ${referencesMax} instances in one request`,
    });
  return { transactionUid: transactionUidOf(dataset), references: items.map(referenceOf) };
}

/** @throws {DimseStatusError} 0115 for what is no report */
export function decodeCommitmentReport(bytes: Buffer | undefined, transferSyntaxUid: string): CommitmentReport {
  const dataset = decoded(bytes, transferSyntaxUid);
  const retrieveAet = dataset.string('RetrieveAETitle');
  return {
    transactionUid: transactionUidOf(dataset),
    committed: dataset.sequence('ReferencedSOPSequence').map(referenceOf),
    failed: dataset.sequence('FailedSOPSequence').map((item) => ({
      ...referenceOf(item),
      failureReason: item.number('FailureReason') ?? FailureReason.ProcessingFailure,
    })),
    ...(retrieveAet === undefined ? {} : { retrieveAet }),
  };
}

function encoded(attributes: Attributes, transferSyntaxUid: string): Buffer {
  const { bytes } = encodeDataset(datasetOf(attributes), { transferSyntaxUid });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @param elementsMin there is room for so many elements at least */
function decoded(bytes: Buffer | undefined, transferSyntaxUid: string, elementsMin = 0): DicomDataset {
  const limits = { ...messageParseLimits, elementsMax: Math.max(elementsMin, messageParseLimits.elementsMax) };
  try {
    return parseDataset(bytes ?? Buffer.alloc(0), transferSyntaxUid, { limits }).dataset;
  } catch (error) {
    if (error instanceof DicomParseError) throw invalid('the information cannot be read');
    throw error;
  }
}

function transactionUidOf(dataset: DicomDataset): string {
  const uid = dataset.string('TransactionUID') ?? '';
  if (!isUid(uid)) throw invalid('TransactionUID is no UID', '00081195');
  return uid;
}

function referenceOf(item: DicomDataset): SopReference {
  const sopClassUid = item.string('ReferencedSOPClassUID') ?? '';
  const sopInstanceUid = item.string('ReferencedSOPInstanceUID') ?? '';
  if (!isUid(sopClassUid) || !isUid(sopInstanceUid)) throw invalid('a reference holds no UIDs', '00081199');
  return { sopClassUid, sopInstanceUid };
}

const itemOf = ({ sopClassUid, sopInstanceUid }: SopReference): Attributes => ({
  ReferencedSOPClassUID: sopClassUid,
  ReferencedSOPInstanceUID: sopInstanceUid,
});

const invalid = (comment: string, tag?: string): DimseStatusError =>
  new DimseStatusError(commitmentRefusals.unreadable.status, {
    comment,
    ...(tag === undefined ? {} : { attributeIdentifiers: [Number.parseInt(tag, 16)] }),
  });
