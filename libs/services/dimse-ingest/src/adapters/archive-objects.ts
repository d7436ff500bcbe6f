import type { Readable } from 'node:stream';

import type { Archive } from '@callosum/archive';

import type { CurrentObjects, KeptObject, ShownObjects } from '../application/forwarding-ports.js';
import type { KeptObjects } from '../application/ports.js';
import type { ForwardableInstance } from '../domain/forwarding-rule.js';

/** Objects of the archive that others may have: the ledger says which is current. Blobs are read as they are taken. */
export class ArchiveObjects implements KeptObjects, CurrentObjects, ShownObjects {
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

  open(blobKey: string, signal?: AbortSignal): Promise<Readable> {
    return this.archive.open(blobKey, undefined, signal);
  }
}
