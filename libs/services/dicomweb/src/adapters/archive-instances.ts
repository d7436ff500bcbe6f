import type { Archive } from '@callosum/archive';

import type { KeptInstance, KeptInstances, Selection } from '../application/ports/archive.js';
import type { IntakeContext, ObjectIntake, ObjectWriter } from '../application/ports/intake.js';
import { assertStored } from '../domain/store-rules.js';

/** The archive behind both ports: where objects go in, and where they are read. */
export class ArchiveInstances implements KeptInstances, ObjectIntake {
  constructor(private readonly archive: Archive) {}

  locate(selection: Selection): Promise<readonly KeptInstance[]> {
    return this.archive.blobsOf(selection);
  }

  open(blobKey: string, signal: AbortSignal, range?: { readonly offset: number; readonly length?: number }) {
    return this.archive.open(blobKey, range, signal);
  }

  begin({ source, transferId, studyInstanceUid }: IntakeContext): ObjectWriter {
    const writer = this.archive.begin({ origin: 'stow', source, correlationId: transferId });
    return {
      write: (bytes) => writer.write(bytes),
      sopInstance: () => writer.sopInstance(),
      commit: async () => {
        const announced = studyInstanceUid === undefined ? {} : { studyInstanceUid };
        const outcome = await writer.commit({ ...announced, assert: assertStored });
        // What is kept as a conflict is one however often it is sent, to who asks where it is.
        return { ...outcome, status: outcome.duplicateOf ?? outcome.status };
      },
      abort: () => writer.abort(),
    };
  }
}
