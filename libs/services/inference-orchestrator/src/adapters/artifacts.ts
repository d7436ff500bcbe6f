import { createHash } from 'node:crypto';

import type { inference } from '@callosum/contracts';
import { ObjectExistsError, type ObjectStore } from '@callosum/object-store';

import type { Artifacts } from '../application/ports.js';

export const artifactPrefix = (site: string, jobId: string): string => `${site}/results/${jobId}/`;

/**
 * Results and what workers said of failures, as JSON under `<site>/results/<job>/`. The digest is the name: written again after a
 * crash, it is the same object. They go with their job's row.
 */
export class StoredArtifacts implements Artifacts {
  constructor(
    private readonly objects: ObjectStore,
    private readonly site: string,
  ) {}

  async store(jobId: string, json: unknown): Promise<inference.ArtifactRef> {
    const bytes = Buffer.from(JSON.stringify(json));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const key = `${artifactPrefix(this.site, jobId)}${sha256}.json`;
    try {
      await this.objects.put(key, once(bytes));
    } catch (error) {
      if (!(error instanceof ObjectExistsError)) throw error;
    }
    return { key, byteCount: BigInt(bytes.length), sha256 };
  }

  async forget(jobId: string): Promise<void> {
    for await (const { key } of this.objects.list(artifactPrefix(this.site, jobId))) await this.objects.delete(key);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
