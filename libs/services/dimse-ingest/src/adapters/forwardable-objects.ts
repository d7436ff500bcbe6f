import type { Archive } from '@callosum/archive';

import type { KeptObject, KeptObjects } from '../application/forwarding-ports.js';

/** Instances of the archive that others may have: the ledger says which is current. */
export class ForwardableObjects implements KeptObjects {
  constructor(private readonly archive: Archive) {}

  async current(studyInstanceUid: string, sopInstanceUid: string): Promise<KeptObject | undefined> {
    const [entry] = await this.archive.locate({ studyInstanceUid, sopInstanceUid });
    return (
      entry && {
        revision: entry.revision,
        sopClassUid: entry.sop_class_uid,
        transferSyntaxUid: entry.transfer_syntax_uid,
        blobKey: entry.blob_key,
        source: entry.source,
        issuedByCallosum: entry.issued_by_callosum,
      }
    );
  }

  async open(blobKey: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return (await this.archive.open(blobKey, undefined, signal)) as AsyncIterable<Uint8Array>;
  }
}
