import { buffer } from 'node:stream/consumers';

import type { ObjectStore } from '@callosum/object-store';

import type { Blobs } from '../application/ports.js';

/** Blobs of the archive, read by the keys the index gives. */
export class StoredBlobs implements Blobs {
  constructor(private readonly objects: ObjectStore) {}

  async read(key: string, offset: number, byteCount: number): Promise<Uint8Array> {
    return buffer(await this.objects.get(key, { offset, length: byteCount }));
  }
}
