import { dicomJsonText, toDicomJson } from '@callosum/dicom';
import type { DeflatedPiece, GzipPart } from '@callosum/gzip';

import { NotFoundError } from '../domain/errors/door.js';
import { isIndexAway } from './index-away.js';
import type { KeptInstance, KeptInstances, Selection } from './ports/archive.js';
import type { StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import { withHeader } from './stored-file.js';
import { WaitedInVain } from './waited-in-vain.js';

/** Blobs that the index is asked to wait for at once. Of more that are missing the first are waited for. */
const awaitedMax = 10_000;

/** Objects whose headers are read where the index does not answer: a millisecond or two each. */
const withoutIndexMax = 5_000;

/** Most headers are a few KiB. */
const uncountedChars = 64 * 1024;
/** A character in memory, and in UTF-8 as it is sent. */
const charBytes = 4;

export interface LocatedSelection {
  readonly selection: Selection;
  readonly instances: readonly KeptInstance[];
}

/**
 * Metadata of what is stored (PS3.18 10.4.1.1.2). The archive's ledger says what exists; the index has it ready. What
 * the index does not know yet is waited for, bounded, and then read from the blobs themselves, and so is all of it where
 * the index does not answer: an acknowledged instance never seems absent.
 */
export class ReadMetadata {
  constructor(
    private readonly kept: KeptInstances,
    private readonly index: StudyIndexReader,
    /** Milliseconds. */
    private readonly indexWaitMs: number,
    private readonly vain = new WaitedInVain(),
  ) {}

  /** What there is to be described. @throws {NotFoundError} */
  async locate(selection: Selection): Promise<LocatedSelection> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    return { selection, instances };
  }

  /**
   * One dataset of the DICOM JSON model after the other (PS3.18 F.2): text in UTF-8, in parts, deflated where the index
   * has it so.
   * @param baseUrl what Bulk Data URIs begin with, without a slash at its end
   * @throws {MemoryTakenError} {RetrieveEndedError}
   */
  async *read(
    { selection, instances }: LocatedSelection,
    baseUrl: string,
    memory: RetrieveMemory,
  ): AsyncGenerator<readonly GzipPart[]> {
    const wanted = new Map(instances.map((instance) => [instance.sopInstanceUid, instance]));
    const answers = yield* this.#indexed(selection, wanted, baseUrl, memory);
    if (answers && wanted.size > 0 && (await this.#waitFor(selection, wanted, memory)))
      yield* this.#indexed(selection, wanted, baseUrl, memory);
    for (const instance of wanted.values()) yield [await this.#fromBlob(instance, baseUrl, memory)];
  }

  /**
   * What the index knows of those that are wanted, which are wanted no more then.
   * @returns false when it does not answer, or not to the end: the rest is in the blobs, as far as that can be read in time
   */
  async *#indexed(
    selection: Selection,
    wanted: Map<string, KeptInstance>,
    baseUrl: string,
    { signal }: RetrieveMemory,
  ): AsyncGenerator<readonly GzipPart[], boolean> {
    try {
      for await (const { sopInstanceUid, blobKey, pieces } of this.index.metadata(selection, signal)) {
        // The dataset of a blob that a correction has replaced is not what the archive holds now.
        if (wanted.get(sopInstanceUid)?.blobKey === blobKey && wanted.delete(sopInstanceUid))
          yield withBase(pieces, baseUrl);
      }
      return true;
    } catch (error) {
      if (!isIndexAway(error) || wanted.size > withoutIndexMax) throw error;
      return false;
    }
  }

  /** False when the index knows no more of them than before. */
  async #waitFor(
    { studyInstanceUid }: Selection,
    wanted: ReadonlyMap<string, KeptInstance>,
    { signal }: RetrieveMemory,
  ): Promise<boolean> {
    if (this.indexWaitMs === 0) return false;
    const awaited = [...wanted.values()]
      .map(({ blobKey }) => blobKey)
      .filter((blobKey) => !this.vain.has(blobKey))
      .slice(0, awaitedMax);
    if (awaited.length === 0) return false;
    try {
      const missing = await this.index.awaitIndexed(studyInstanceUid, awaited, this.indexWaitMs, signal);
      this.vain.remember(missing);
      return missing.size < awaited.length;
    } catch (error) {
      if (isIndexAway(error)) return false;
      throw error;
    }
  }

  /** What stands before Pixel Data, as the index reads it. */
  async #fromBlob(instance: KeptInstance, baseUrl: string, memory: RetrieveMemory): Promise<string> {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = instance;
    const base = `${baseUrl}/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/bulkdata`;
    const text = await withHeader(this.kept, instance, memory, ({ dataset }) =>
      dicomJsonText(toDicomJson(dataset, { bulkDataUri: (path) => `${base}/${path}` })),
    );
    // Until the next one is asked for, which is when the client has taken this one.
    if (text.length > uncountedChars) await memory.hold(Math.min(text.length * charBytes, memory.bytesMax));
    return text;
  }
}

/** The base stands between two pieces. */
const withBase = (pieces: readonly DeflatedPiece[], baseUrl: string): readonly GzipPart[] =>
  pieces.flatMap((piece, at): readonly GzipPart[] => (at === 0 ? [piece] : [baseUrl, piece]));
