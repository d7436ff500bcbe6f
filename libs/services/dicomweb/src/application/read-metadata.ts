import {
  DicomParseError,
  dicomJsonText,
  isDeflated,
  lacksSequences,
  leftOutBytesMin,
  longDataset,
  type LongDataset,
  toDicomJson,
} from '@callosum/dicom';
import type { DeflatedPiece, GzipPart } from '@callosum/gzip';

import { NotFoundError } from '../domain/errors/door.js';
import { BrokenObjectError } from '../domain/errors/retrieve.js';
import { isIndexAway } from './index-away.js';
import type { KeptInstance, KeptInstances, Selection } from './ports/archive.js';
import type { StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import { rangeReader, withHeader } from './stored-file.js';
import { WaitedInVain } from './waited-in-vain.js';

/** Blobs that the index is asked to wait for at once. Of more that are missing the first are waited for. */
const awaitedMax = 10_000;

/** Objects whose headers are read where the index does not answer: a millisecond or two each. */
const withoutIndexMax = 5_000;

/** Most headers are a few KiB. */
const uncountedChars = 64 * 1024;
/** A character in memory, and in UTF-8 as it is sent. */
const charBytes = 4;

/** What the writing of a dataset that is not held takes: ranges of its object, an element, and text. */
const longBytes = 4 * 1024 * 1024;
/** What is left of that while a text waits for the client: a range. */
const rangeBytes = 1024 * 1024;

/** A dataset of the DICOM JSON model: its text in parts, or one that is written as its client takes it. */
export type MetadataDataset = readonly GzipPart[] | LongDataset;

export const isLong = (dataset: MetadataDataset): dataset is LongDataset => 'json' in dataset;

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
   * has it so. One with sequences that are too long for the index and for a header is written from its object (docs/adr/0080).
   * @param baseUrl what Bulk Data URIs begin with, without a slash at its end
   * @throws {MemoryTakenError} {RetrieveEndedError}
   */
  async *read(
    { selection, instances }: LocatedSelection,
    baseUrl: string,
    memory: RetrieveMemory,
  ): AsyncGenerator<MetadataDataset> {
    const wanted = new Map(instances.map((instance) => [instance.sopInstanceUid, instance]));
    const answers = yield* this.#indexed(selection, wanted, baseUrl, memory);
    if (answers && wanted.size > 0 && (await this.#waitFor(selection, wanted, memory)))
      yield* this.#indexed(selection, wanted, baseUrl, memory);
    for (const instance of wanted.values()) yield await this.#fromBlob(instance, baseUrl, memory);
  }

  /**
   * What the index knows of those that are wanted, which are wanted no more then.
   * @returns false when it does not answer, or not to the end: the rest is in the blobs, as far as that can be read in time
   */
  async *#indexed(
    selection: Selection,
    wanted: Map<string, KeptInstance>,
    baseUrl: string,
    memory: RetrieveMemory,
  ): AsyncGenerator<MetadataDataset, boolean> {
    try {
      for await (const { sopInstanceUid, blobKey, pieces, isPartial } of this.index.metadata(
        selection,
        memory.signal,
      )) {
        const instance = wanted.get(sopInstanceUid);
        // The dataset of a blob that a correction has replaced is not what the archive holds now.
        if (instance?.blobKey !== blobKey) continue;
        wanted.delete(sopInstanceUid);
        yield (isPartial ?? mayBePartial(instance))
          ? await this.#long(instance, baseUrl, memory)
          : withBase(pieces, baseUrl);
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
  async #fromBlob(instance: KeptInstance, baseUrl: string, memory: RetrieveMemory): Promise<MetadataDataset> {
    const text = await withHeader(this.kept, instance, memory, ({ dataset }) => {
      if (lacksSequences(dataset)) return undefined;
      const all = dicomJsonText(toDicomJson(dataset, uris(instance, baseUrl)));
      // More would be held until the client has taken it.
      return all.length * charBytes <= longBytes ? all : undefined;
    });
    if (text === undefined) return this.#long(instance, baseUrl, memory);
    // Until the next one is asked for, which is when the client has taken this one.
    if (text.length > uncountedChars) await memory.hold(Math.min(text.length * charBytes, memory.bytesMax));
    return [text];
  }

  async #long(instance: KeptInstance, baseUrl: string, memory: RetrieveMemory): Promise<LongDataset> {
    const read = rangeReader(this.kept, instance, memory.signal);
    await memory.hold(Math.min(longBytes, memory.bytesMax));
    try {
      const dataset = await longDataset(read, instance.byteCount, uris(instance, baseUrl));
      return { json: () => counted(dataset.json(), memory), xml: () => counted(dataset.xml(), memory) };
    } catch (error) {
      throw error instanceof DicomParseError ? new BrokenObjectError(instance.sopInstanceUid, error) : error;
    }
  }
}

const uris = ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: KeptInstance, baseUrl: string) => {
  const base = `${baseUrl}/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}/bulkdata`;
  return { bulkDataUri: (path: string): string => `${base}/${path}` };
};

/**
 * Of one whose index says nothing, because it or its row is of a version before. Whole or not would be the same entity tag,
 * which is of the blob: who got a part would be told that he has all, ever after.
 */
const mayBePartial = ({ transferSyntaxUid, byteCount }: KeptInstance): boolean =>
  isDeflated(transferSyntaxUid) || byteCount >= leftOutBytesMin;

/** While a text waits for the client, that and what it goes on from is held: who takes nothing leaves the rest to others. */
async function* counted(texts: AsyncIterable<string>, memory: RetrieveMemory): AsyncGenerator<string> {
  try {
    for await (const text of texts) {
      const byteCount = rangeBytes + text.length * charBytes;
      if (byteCount <= longBytes) memory.keep(byteCount);
      else await memory.hold(Math.min(byteCount, memory.bytesMax));
      yield text;
      await memory.hold(Math.min(longBytes, memory.bytesMax));
    }
  } finally {
    if (!memory.signal.aborted) await memory.hold(0);
  }
}

/** The base stands between two pieces. */
const withBase = (pieces: readonly DeflatedPiece[], baseUrl: string): readonly GzipPart[] =>
  pieces.flatMap((piece, at): readonly GzipPart[] => (at === 0 ? [piece] : [baseUrl, piece]));
