import type { CommonExtendedNegotiation } from './upper-layer/associate.js';

/** Verification SOP Class, PS3.4 section A.4. */
export const verificationSopClassUid = '1.2.840.10008.1.1';

/** Result of a presentation context, PS3.8 table 9-18. */
export const ContextResult = Object.freeze({
  Acceptance: 0,
  UserRejection: 1,
  AbstractSyntaxNotSupported: 3,
  TransferSyntaxesNotSupported: 4,
});

const storageArc = '1.2.840.10008.5.1.4.1.1.';
/** Storage SOP classes of patients' objects that PS3.4 table B.5-1 lists outside the arc (RT delivery instructions). */
const storageElsewhere = new Set(['1.2.840.10008.5.1.4.34.7', '1.2.840.10008.5.1.4.34.10']);
/** Inside the arc but no object of a study: protocols, inventories and the services that query them. */
const notOfAStudy = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(200\.(1|3|4|5|6|7)|201\.\d+)$/;

/** True for every Storage SOP class of objects that belong to a study, also of editions yet to come. */
export function isStorageSopClass(uid: string): boolean {
  return (uid.startsWith(storageArc) && !notOfAStudy.test(uid)) || storageElsewhere.has(uid);
}

/** The Storage service class, PS3.6 table A-1. */
const storageServiceClassUid = '1.2.840.10008.4.2';

/**
 * True when a requestor says of a SOP class, perhaps a private one, that it is of the Storage service class, or like a
 * storage class we know (SOP Class Common Extended Negotiation, PS3.4 annex B.3.1.4 and PS3.7 D.3.3.6).
 */
export function isStorageService(common: CommonExtendedNegotiation | undefined): boolean {
  if (!common) return false;
  return common.serviceClassUid === storageServiceClassUid || common.relatedGeneralSopClassUids.some(isStorageSopClass);
}

/** Uncompressed transfer syntaxes, the best first: explicit VR keeps the VRs of private attributes. */
const uncompressed = [
  '1.2.840.10008.1.2.1', // Explicit VR Little Endian
  '1.2.840.10008.1.2', // Implicit VR Little Endian
  '1.2.840.10008.1.2.1.99', // Deflated Explicit VR Little Endian
  '1.2.840.10008.1.2.2', // Explicit VR Big Endian
];
/** Pixels stay at their provider (JPIP), travel another way (SMPTE), or the syntax is not for DIMSE (MIME, XML). */
const withoutPixels = /^1\.2\.840\.10008\.1\.2\.(4\.(94|95|204|205)|6\.\d+|7\.\d+)$/;

/** True when a dataset in this transfer syntax is kept as it comes; PS3.5 A.4 fixes the form of compressed ones. */
export function isStorableTransferSyntax(uid: string): boolean {
  return uncompressed.includes(uid) || (uid.startsWith('1.2.840.10008.1.2.') && !withoutPixels.test(uid));
}

/**
 * The transfer syntax to accept out of those one presentation context proposes. A compressed one that stands first
 * is how the sender holds the object: it comes as it is. Among uncompressed ones ours is the preference.
 * @param preferred where one of these is proposed, the first of them is taken instead
 * @returns undefined when none is usable (PS3.8 table 9-18, result 4)
 */
export function chooseTransferSyntax(
  proposed: readonly string[],
  preferred: readonly string[] = [],
): string | undefined {
  const usable = proposed.filter(isStorableTransferSyntax);
  const wanted = preferred.find((uid) => usable.includes(uid));
  if (wanted !== undefined) return wanted;
  const [first] = usable;
  if (first === undefined || !uncompressed.includes(first)) return first;
  return uncompressed.find((uid) => usable.includes(uid));
}

/**
 * The transfer syntax of queries, notifications and attribute lists, which have no pixels: the uncompressed ones in
 * our order. @returns undefined when none of them is proposed
 */
export const chooseMessageSyntax = (proposed: readonly string[]): string | undefined =>
  uncompressed.find((uid) => proposed.includes(uid));
