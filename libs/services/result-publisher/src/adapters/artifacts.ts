import { createHash } from 'node:crypto';

import type { inference } from '@callosum/contracts';
import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';

import { ArtifactUnreadableError } from '../application/errors.js';
import type { ArtifactReader } from '../application/ports.js';

/** The orchestrator takes results of at most half of this. */
const artifactBytesMax = 1_000_000;

/** Artifacts as the orchestrator left them in the object store. */
export class StoredArtifacts implements ArtifactReader {
  constructor(private readonly objects: ObjectStore) {}

  async read({ key, byteCount, sha256 }: inference.ArtifactRef): Promise<unknown> {
    if (byteCount > BigInt(artifactBytesMax)) throw new ArtifactUnreadableError('it is too large');
    const bytes = await this.bytes(key, Number(byteCount));
    if (createHash('sha256').update(bytes).digest('hex') !== sha256)
      throw new ArtifactUnreadableError('its digest is not the one the fact names');
    return JSON.parse(bytes.toString('utf8'));
  }

  private async bytes(key: string, byteCount: number): Promise<Buffer> {
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of (await this.objects.get(key, {
        offset: 0,
        length: byteCount,
      })) as AsyncIterable<Uint8Array>)
        chunks.push(chunk);
      return Buffer.concat(chunks);
    } catch (error) {
      if (error instanceof ObjectNotFoundError) throw new ArtifactUnreadableError('its object is gone');
      throw error;
    }
  }
}
