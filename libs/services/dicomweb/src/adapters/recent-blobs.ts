import type { Archive } from '@callosum/archive';

import type { RecentBlobs } from '../application/ports/recent.js';

/** The archive's ledger, asked for what is new. */
export class ArchiveRecentBlobs implements RecentBlobs {
  constructor(private readonly archive: Archive) {}

  recentBlobs(studyInstanceUid: string, withinMs: number, limit: number): Promise<readonly string[]> {
    return this.archive.recentBlobs(studyInstanceUid, new Date(Date.now() - withinMs), limit);
  }
}
