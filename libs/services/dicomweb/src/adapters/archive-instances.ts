import type { Archive } from '@callosum/archive';

import {
  type IntakeContext,
  type KeptInstance,
  type KeptInstances,
  type ObjectIntake,
  ObjectRefusedError,
  type Selection,
  type StoredObject,
} from '../application/ports.js';

/** The archive behind both ports: where objects go in, and where they are read. */
export class ArchiveInstances implements KeptInstances, ObjectIntake {
  constructor(private readonly archive: Archive) {}

  async locate(selection: Selection): Promise<readonly KeptInstance[]> {
    const entries = await this.archive.locate(selection);
    return entries.map((entry) => ({
      studyInstanceUid: entry.study_instance_uid,
      seriesInstanceUid: entry.series_instance_uid,
      sopInstanceUid: entry.sop_instance_uid,
      transferSyntaxUid: entry.transfer_syntax_uid,
      blobKey: entry.blob_key,
      byteCount: entry.byte_count,
    }));
  }

  open(blobKey: string, signal: AbortSignal, range?: { readonly offset: number; readonly length?: number }) {
    return this.archive.open(blobKey, range, signal);
  }

  async store(body: AsyncIterable<Uint8Array>, context: IntakeContext): Promise<StoredObject> {
    const writer = this.archive.begin({ origin: 'stow', source: context.source, correlationId: context.transferId });
    try {
      for await (const chunk of body) await writer.write(chunk);
      return await writer.commit(
        context.studyInstanceUid === undefined ? {} : { studyInstanceUid: context.studyInstanceUid },
      );
    } catch (error) {
      const sopInstance = writer.sopInstance();
      await writer.abort();
      throw new ObjectRefusedError(error, sopInstance);
    }
  }
}
