import type { Archive } from '@callosum/archive';

import type { KeptObject, KeptObjects, ShownObjects } from '../application/forwarding-ports.js';
import type { ForwardableInstance } from '../domain/forwarding-rule.js';

/** Instances of the archive that others may have: the ledger says which is current. */
export class ForwardableObjects implements KeptObjects, ShownObjects {
  constructor(private readonly archive: Pick<Archive, 'locate' | 'open'>) {}

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

  async shown(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<ForwardableInstance[]> {
    return (await this.archive.locate({ studyInstanceUid, sopInstanceUids })).map((entry) => ({
      studyInstanceUid: entry.study_instance_uid,
      sopInstanceUid: entry.sop_instance_uid,
      sopClassUid: entry.sop_class_uid,
      transferSyntaxUid: entry.transfer_syntax_uid,
      revision: entry.revision,
      source: entry.source,
      issuedByCallosum: entry.issued_by_callosum,
      storedAt: entry.stored_at,
    }));
  }

  async open(blobKey: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return (await this.archive.open(blobKey, undefined, signal)) as AsyncIterable<Uint8Array>;
  }
}
