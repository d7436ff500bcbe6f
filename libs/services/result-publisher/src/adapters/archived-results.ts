import type { Archive } from '@callosum/archive';

import type { ResultArchive } from '../application/ports.js';
import type { ResultDocument } from '../domain/dicom/result-documents.js';

/** The archive, by its one way in. */
export class ArchivedResults implements ResultArchive {
  constructor(private readonly archive: Archive) {}

  async store(documents: readonly ResultDocument[], correlationId: string | undefined): Promise<void> {
    await this.archive.issue(documents.map(({ sopInstanceUid }) => sopInstanceUid));
    const intake = { origin: 'callosum', source: 'CALLOSUM', ...(correlationId ? { correlationId } : {}) } as const;
    for (const { bytes } of documents) await this.archive.store(bytes, intake);
  }
}
