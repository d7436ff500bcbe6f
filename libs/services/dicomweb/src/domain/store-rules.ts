import { isStorableTransferSyntax, isStorageSopClass } from '@callosum/dimse';

import { UnsupportedSopClassError, UnsupportedTransferSyntaxError } from './errors/store.js';

/** What an object says of itself that decides whether it is stored at all. */
export interface ObjectKind {
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
}

/** SOP classes of the standard itself (PS3.6 A). */
const dicomArc = '1.2.840.10008.';

/**
 * The same objects are taken as by C-STORE, so that what is stored here can be sent on there: storage SOP classes of
 * objects that belong to a study, and private ones, since nobody negotiates over HTTP what those are; transfer syntaxes
 * that bring the pixels along (not JPIP, nor real-time video).
 * @throws {UnsupportedSopClassError} {UnsupportedTransferSyntaxError}
 */
export function assertStored({ sopClassUid, transferSyntaxUid }: ObjectKind): void {
  if (sopClassUid.startsWith(dicomArc) && !isStorageSopClass(sopClassUid)) throw new UnsupportedSopClassError();
  if (!isStorableTransferSyntax(transferSyntaxUid)) throw new UnsupportedTransferSyntaxError(transferSyntaxUid);
}
