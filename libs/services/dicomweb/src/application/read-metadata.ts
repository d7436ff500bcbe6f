import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseFile, toDicomJson } from '@callosum/dicom';

import { NotFoundError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances, Selection, StudyIndexReader } from './ports.js';

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

  /** DICOM JSON texts. @throws {NotFoundError} */
  async *read(selection: Selection): AsyncGenerator<string> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    const wanted = new Map(instances.map((instance) => [instance.sopInstanceUid, instance]));
    for (const deadline = Date.now() + this.indexWaitMs; ; await sleep(pollMs)) {
      for await (const { sopInstanceUid, dicomJson, blobKey } of this.index.metadata(selection)) {
        // The dataset of a blob that a correction has replaced is not what the archive holds now.
        if (wanted.get(sopInstanceUid)?.blobKey === blobKey && wanted.delete(sopInstanceUid)) yield dicomJson;
      }
      if (wanted.size === 0 || Date.now() >= deadline) break;
    }
    for (const instance of wanted.values()) yield await this.#fromBlob(instance);
  }

  async #fromBlob(instance: KeptInstance): Promise<string> {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = instance;
    const file = parseFile(await buffer(await this.kept.open(instance.blobKey)));
    const base = `/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/bulkdata`;
    return JSON.stringify(toDicomJson(file.dataset, { bulkDataUri: (path) => `${base}/${path}` }));
  }
}
