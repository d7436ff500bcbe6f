import { setTimeout as sleep } from 'node:timers/promises';

import { toDicomJson } from '@callosum/dicom';

import { IndexBehindError, NotFoundError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances, RetrieveMemory, Selection, StudyIndexReader } from './ports.js';
import { holdFile, mayBeHeld, readHeader } from './stored-file.js';

/** How often the index is asked again while it catches up: each time it reads the whole selection. */
const pollMs = 250;

/**
 * Metadata of what is stored (PS3.18 10.4.1.1.2). The archive's ledger says what exists; the index has it ready. What
 * the index does not know yet is waited for, bounded, and then read from the blobs themselves: an acknowledged
 * instance never seems absent.
 */
export class ReadMetadata {
  constructor(
    private readonly kept: KeptInstances,
    private readonly index: StudyIndexReader,
    private readonly indexWaitMs: number,
  ) {}

  /** DICOM JSON texts. @throws {NotFoundError} {IndexBehindError} */
  async *read(selection: Selection, memory: RetrieveMemory): AsyncGenerator<string> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    const { signal } = memory;
    const wanted = new Map(instances.map((instance) => [instance.sopInstanceUid, instance]));
    for (const deadline = Date.now() + this.indexWaitMs; ; await sleep(pollMs, undefined, { signal })) {
      for await (const { sopInstanceUid, dicomJson, blobKey } of this.index.metadata(selection, signal)) {
        // The dataset of a blob that a correction has replaced is not what the archive holds now.
        if (wanted.get(sopInstanceUid)?.blobKey === blobKey && wanted.delete(sopInstanceUid)) yield dicomJson;
      }
      if (wanted.size === 0 || Date.now() >= deadline) break;
    }
    for (const instance of wanted.values()) yield await this.#fromBlob(instance, memory);
  }

  /** What stands before Pixel Data, as the index reads it. */
  async #fromBlob(instance: KeptInstance, memory: RetrieveMemory): Promise<string> {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = instance;
    const header = await readHeader(this.kept, instance, memory);
    if (!header && !mayBeHeld(instance, memory, 1)) throw new IndexBehindError();
    const { dataset } = header ?? (await holdFile(this.kept, instance, memory, 1));
    const base = `/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/bulkdata`;
    return JSON.stringify(toDicomJson(dataset, { bulkDataUri: (path) => `${base}/${path}` }));
  }
}
