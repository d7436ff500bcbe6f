import type { Readable } from 'node:stream';

import type { Archive } from '@callosum/archive';

import type { KeptObjects } from '../application/query-ports.js';

/** Blobs of the archive, read as they are taken. */
export class ArchiveObjects implements KeptObjects {
  constructor(private readonly archive: Archive) {}

  open(blobKey: string, signal?: AbortSignal): Promise<Readable> {
    return this.archive.open(blobKey, undefined, signal);
  }
}
