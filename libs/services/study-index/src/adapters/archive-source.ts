import { buffer } from 'node:stream/consumers';

import type { Archive, LedgerEntry } from '@callosum/archive';

import type { BlobReader } from '../application/read-instance.js';
import type { ArchiveLedger, LedgerProgress } from '../application/reindex.js';
import type { ShownInstances } from '../application/withholdings.js';
import type { StoredInstance } from '../domain/instance.js';

/** Ranges of the archive's blobs, and its current instances. */
export class ArchiveSource implements BlobReader, ArchiveLedger, ShownInstances {
  constructor(
    private readonly archive: Pick<
      Archive,
      'open' | 'count' | 'current' | 'locate' | 'reconcile' | 'nextRevisionFloor'
    >,
  ) {}

  async read(blobKey: string, offset: number, byteCount: number): Promise<Uint8Array> {
    return buffer(await this.archive.open(blobKey, { offset, length: byteCount }));
  }

  count(): Promise<number> {
    return this.archive.count();
  }

  reconcile(settledMs: number, revisionFloor: () => Promise<number>): AsyncIterable<LedgerProgress> {
    return this.archive.reconcile(settledMs, revisionFloor);
  }

  nextRevisionFloor(): Promise<number> {
    return this.archive.nextRevisionFloor();
  }

  async shown(studyInstanceUid: string, sopInstanceUids: ReadonlySet<string>): Promise<readonly StoredInstance[]> {
    const entries = await this.archive.locate({ studyInstanceUid, sopInstanceUids: [...sopInstanceUids] });
    return entries.map(toStored);
  }

  async *current(): AsyncGenerator<StoredInstance> {
    for await (const entry of this.archive.current()) yield toStored(entry);
  }
}

const toStored = (entry: LedgerEntry): StoredInstance => ({
  studyInstanceUid: entry.study_instance_uid,
  seriesInstanceUid: entry.series_instance_uid,
  sopInstanceUid: entry.sop_instance_uid,
  sopClassUid: entry.sop_class_uid,
  transferSyntaxUid: entry.transfer_syntax_uid,
  blob: { key: entry.blob_key, byteCount: entry.byte_count, sha256: entry.sha256 },
  instanceRevision: entry.revision,
  issuedByCallosum: entry.issued_by_callosum,
  source: entry.source,
  associationId: entry.association_id ?? '',
  storedAt: entry.stored_at,
});
