/** Verification SOP Class, PS3.4 section A.4. */
export const verificationSopClassUid = '1.2.840.10008.1.1';

/** Result of a presentation context, PS3.8 table 9-18. */
export const ContextResult = Object.freeze({
  Acceptance: 0,
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
 * Undefined when none is usable (PS3.8 table 9-18, result 4).
 */
export function chooseTransferSyntax(proposed: readonly string[]): string | undefined {
  const usable = proposed.filter(isStorableTransferSyntax);
  const [first] = usable;
  if (first === undefined || !uncompressed.includes(first)) return first;
  return uncompressed.find((uid) => usable.includes(uid));
}
