import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import {
  type DicomJson,
  ExplicitVRLittleEndian,
  type ImagePixel,
  implementationClassUid,
  parseFile,
  toDicomJson,
  transcode,
  writeFile,
} from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';

import { FrameLayouts } from '../application/frame-layouts.js';
import { LayoutCache } from '../application/layout-cache.js';
import type { KeptInstance, KeptInstances } from '../application/ports/archive.js';
import type { LocatedFrames, StudyIndexReader } from '../application/ports/index.js';
import type { RetrieveMemory } from '../application/ports/memory.js';
import type { SeriesFrames } from '../application/ports/pixels.js';
import { ReadBulk } from '../application/read-bulk.js';
import { ReadFrames } from '../application/read-frames.js';

type Asked = { readonly offset: number; readonly length?: number } | undefined;

/** One blob of an archive, and what was read of it. */
export class Blob implements KeptInstances {
  readonly opened: Asked[] = [];
  readonly instance: KeptInstance;

  constructor(
    public bytes: Uint8Array,
    transferSyntaxUid: string = ExplicitVRLittleEndian,
    more: Partial<KeptInstance> = {},
  ) {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = tinyCt();
    this.instance = {
      studyInstanceUid,
      seriesInstanceUid,
      sopInstanceUid,
      transferSyntaxUid,
      blobKey: 'blob',
      byteCount: bytes.length,
      ...more,
    };
  }

  locate(): Promise<readonly KeptInstance[]> {
    return Promise.resolve([this.instance]);
  }

  open(_key: string, signal: AbortSignal, range?: Asked): Promise<Readable> {
    signal.throwIfAborted();
    this.opened.push(range);
    const { offset = 0, length = Infinity } = range ?? {};
    return Promise.resolve(Readable.from(pieces(this.bytes.subarray(offset, offset + length)), { objectMode: false }));
  }
}

/** As a store gives them. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
}

/** An instance of an archive that nothing is told of but what is said. */
export const keptInstance = (more: Partial<KeptInstance> = {}): KeptInstance => ({
  studyInstanceUid: '1.2',
  seriesInstanceUid: '1.3',
  sopInstanceUid: '1.4',
  transferSyntaxUid: ExplicitVRLittleEndian,
  blobKey: 'blob',
  byteCount: 1_000,
  ...more,
});

/** One grey frame of bytes, as its header says it. */
export const greyBytes = (rows: number, columns: number): ImagePixel => ({
  rows,
  columns,
  frames: 1,
  samplesPerPixel: 1,
  bitsAllocated: 8,
  bitsStored: 8,
  pixelRepresentation: 0,
  planarConfiguration: 0,
  photometricInterpretation: 'MONOCHROME2',
});

/** What the index knows of encapsulated frames: where each of them lies. */
export const locatedFragments = (frames: LocatedFrames['frames']): LocatedFrames => ({
  image: undefined,
  encapsulated: true,
  nativeOffset: 0,
  nativeFrameBytes: 0,
  nativeByteCount: 0,
  frames,
});

/** A study-index that knows one blob, or none; `asked` are the numbers of each question. */
export function indexOf(located: LocatedFrames | undefined, blobKey = 'blob') {
  const asked: (readonly number[])[] = [];
  const frames: StudyIndexReader['frames'] = (kept, numbers) => {
    asked.push(numbers);
    if (!located || kept.blobKey !== blobKey) return Promise.resolve(undefined);
    const wanted = numbers.length > 0 ? numbers.map((number) => located.frames[number - 1] ?? []) : located.frames;
    return Promise.resolve({ ...located, frames: located.encapsulated ? wanted : [] });
  };
  return { asked, frames };
}

export const noSeries: SeriesFrames = { ofSeries: async function* () {} };

/** Who reads frames and bulk data of it. */
export function readersOf(
  kept: KeptInstances,
  index: Pick<StudyIndexReader, 'frames'> = indexOf(undefined),
  series: SeriesFrames = noSeries,
) {
  const layouts = new FrameLayouts(kept, index, series, new LayoutCache(1024 * 1024));
  const frames = new ReadFrames(kept, layouts);
  return { layouts, frames, bulk: new ReadBulk(kept, layouts, frames) };
}

/** Memory that is there, and what of it was held, in its order. */
export function memoryOf(bytesMax = 64 * 1024 * 1024): RetrieveMemory & { readonly held: number[] } {
  const held: number[] = [];
  const hold = (byteCount: number): Promise<void> => {
    if (byteCount > bytesMax) throw new RangeError('more is held than may be');
    held.push(byteCount);
    return Promise.resolve();
  };
  const keep = (byteCount: number): void => void held.push(Math.min(held.at(-1) ?? 0, byteCount));
  return { bytesMax, signal: new AbortController().signal, hold, keep, held };
}

export interface Image {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly bitsAllocated: number;
  readonly vr: string;
  /** Of all frames, little-endian. */
  readonly pixels: Uint8Array;
  readonly tag?: string;
  readonly more?: DicomJson;
}

const us = (value: number): DicomJson[string] => ({ vr: 'US', Value: [value] });

/** A dataset with such pixels. */
export function datasetOf({ rows, columns, frames, bitsAllocated, vr, pixels, tag, more = {} }: Image): DicomJson {
  const { '7FE00010': _, ...attributes } = toDicomJson(parseFile(tinyCt().bytes).dataset, { omitBulkData: true });
  return {
    ...attributes,
    '00280008': { vr: 'IS', Value: [frames] },
    '00280010': us(rows),
    '00280011': us(columns),
    '00280100': us(bitsAllocated),
    '00280101': us(bitsAllocated),
    '00280102': us(bitsAllocated - 1),
    '00280103': us(0),
    ...more,
    [tag ?? '7FE00010']: { vr, bytes: pixels },
  };
}

export const fileOf = (dataset: DicomJson, transferSyntaxUid: string = ExplicitVRLittleEndian): Uint8Array =>
  writeFile(dataset, { implementationClassUid, transferSyntaxUid });

/** The same object in another transfer syntax. */
export async function inSyntax(bytes: Uint8Array, transferSyntaxUid: string): Promise<Uint8Array> {
  if (transferSyntaxUid === ExplicitVRLittleEndian) return bytes;
  const source = { open: () => Readable.from([bytes], { objectMode: false }) };
  const transcoding = await transcode(source, { to: transferSyntaxUid });
  return buffer(Readable.from(transcoding.file({ implementationClassUid }), { objectMode: false }));
}

/** Bytes that tell frames apart, drawn from their place alone. */
export const samples = (byteCount: number): Uint8Array =>
  Uint8Array.from({ length: byteCount }, (_, i) => (i * 167 + (i >> 8) * 31 + 7) & 0xff);
