import type { Archive } from '@callosum/archive';

import type { ResultArchive } from '../application/ports.js';
import type { ResultDocument } from '../domain/dicom/result-documents.js';

/** The archive, by its one way in. */
export class ArchivedResults implements ResultArchive {
  constructor(private readonly archive: Pick<Archive, 'issue' | 'store' | 'tombstones'>) {}

  async store(documents: readonly ResultDocument[], correlationId: string | undefined): Promise<void> {
    await this.archive.issue(documents.map(({ sopInstanceUid }) => sopInstanceUid));
    const intake = { origin: 'callosum', source: 'CALLOSUM', ...(correlationId ? { correlationId } : {}) } as const;
    for (const { bytes } of documents) await this.archive.store(bytes, intake);
  }

  async isWithheld(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<boolean> {
    return (await this.archive.tombstones.withheldAmong(studyInstanceUid, sopInstanceUids)).size > 0;
  }

  async hide(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<void> {
    await this.archive.tombstones.hideResults(studyInstanceUid, sopInstanceUids, 'result-publisher');
  }
}
