import type { Archive } from '@callosum/archive';

import type { KeptObjects } from '../application/query-ports.js';

/** Blobs of the archive, read as they are taken. */
export class ArchiveObjects implements KeptObjects {
  constructor(private readonly archive: Archive) {}

  async open(blobKey: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return (await this.archive.open(blobKey, undefined, signal)) as AsyncIterable<Uint8Array>;
  }
}
