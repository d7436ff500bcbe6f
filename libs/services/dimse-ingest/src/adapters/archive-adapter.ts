import type { Archive } from '@callosum/archive';
import { implementationClassUid, implementationVersionName, writeFileMeta } from '@callosum/dicom';

import type { InstanceArchive, ObjectBegin, ObjectWriter } from '../application/ports.js';

/**
 * Puts file meta information before the dataset as it came (PS3.10 section 7.1): the command knows its UIDs, and what
 * follows is not touched.
 */
export class ArchiveAdapter implements InstanceArchive {
  constructor(private readonly archive: Archive) {}

  async begin({ associationId, callingAet, ...object }: ObjectBegin): Promise<ObjectWriter> {
    const meta = writeFileMeta({
      ...object,
      implementationClassUid,
      implementationVersionName,
      sourceApplicationEntityTitle: callingAet,
    });
    const intake = { origin: 'dimse', source: callingAet, associationId, correlationId: associationId } as const;
    const writer = this.archive.begin(intake);
    try {
      await writer.write(meta);
    } catch (error) {
      await writer.abort();
      throw error;
    }
    return {
      write: (bytes) => writer.write(bytes),
      commit: async (uids) => (await writer.commit(uids)).status,
      abort: () => writer.abort(),
    };
  }
}
