import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';

import { LabelMapUnreadableError } from '../application/errors.js';
import type { LabelMapReader } from '../application/ports.js';

const unzip = promisify(gunzip);
/** 2,000 slices of 1024 × 1024: the largest mask of a CT; a larger one would not fit beside its SEG in memory. */
const voxelsMax = 2_147_483_648;

/** Label maps as the orchestrator left them in the object store, gzipped or not; the digest is of the plain bytes. */
export class StoredLabelMaps implements LabelMapReader {
  constructor(private readonly objects: ObjectStore) {}

  async read(artifactKey: string, sha256: string, byteCount: number): Promise<Uint8Array> {
    if (byteCount <= 0 || byteCount > voxelsMax) throw new LabelMapUnreadableError(`${byteCount} voxels`);
    const stored = await this.bytes(artifactKey, byteCount);
    if (digest(stored) === sha256) return stored;
    const plain = await unzip(stored, { maxOutputLength: byteCount }).catch(() => undefined);
    if (!plain || digest(plain) !== sha256)
      throw new LabelMapUnreadableError('its digest is not the one the result names');
    return plain;
  }

  private async bytes(key: string, byteCount: number): Promise<Uint8Array> {
    try {
      const chunks: Uint8Array[] = [];
      // A gzip of noise is a little larger than the noise; anything beyond is not this label map.
      let room = byteCount + byteCount / 100 + 1024;
      for await (const chunk of (await this.objects.get(key)) as AsyncIterable<Uint8Array>) {
        room -= chunk.length;
        if (room < 0) throw new LabelMapUnreadableError('it is larger than its grid');
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      if (error instanceof ObjectNotFoundError) throw new LabelMapUnreadableError('its object is gone');
      throw error;
    }
  }
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
