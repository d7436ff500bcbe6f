import { pipeline, Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';

import {
  defaultTranscodeLimits,
  DicomParseError,
  headerPrefixBytes,
  isDeflated,
  loopTurns,
  type ParsedHeader,
  type RangeReader,
  readHeader,
} from '@callosum/dicom';

import { BrokenObjectError } from '../domain/errors/retrieve.js';
import type { ByteRange, KeptInstance, KeptInstances } from './ports/archive.js';
import type { RetrieveMemory } from './ports/memory.js';

/** What the longest header takes that is read at all (`headerMemory`), with its text. */
const headerBytesMax = 256 * 1024 * 1024;
/** Short elements take many times what they take in a file. */
const headerGrowth = 16;
/** A longer header is walked and not parsed at once. */
const parsedBytesMax = 1024 * 1024;

/**
 * Works on what stands before Pixel Data, which is read by ranges. Its memory is held until the work is done: what is
 * kept of it has to be small, or copied and held anew. Most headers are so short that nobody waits for them.
 * @param work gets the header, and a reader of the same blob
 * @throws {BrokenObjectError} {MemoryTakenError} {RetrieveEndedError}
 */
export async function withHeader<T>(
  kept: KeptInstances,
  instance: KeptInstance,
  memory: RetrieveMemory,
  work: (header: ParsedHeader, read: RangeReader) => T | Promise<T>,
): Promise<T> {
  const read = rangeReader(kept, instance, memory.signal);
  let held = 0;
  const counted: RangeReader = async (offset, byteCount) => {
    const wanted = Math.min(headerMemoryOf(instance, offset + byteCount), memory.bytesMax);
    if (wanted > held) {
      held = wanted;
      await memory.hold(wanted);
    }
    return read(offset, byteCount);
  };
  try {
    return await work(await headerIn(counted, instance), read);
  } finally {
    if (held > 0 && !memory.signal.aborted) await memory.hold(0);
  }
}

/** Bytes of memory that a header may take which is read up to `end` in the blob; 0 for most, which are so short. */
function headerMemoryOf({ transferSyntaxUid }: KeptInstance, end: number): number {
  // Of what is deflated nobody knows how much it becomes.
  if (isDeflated(transferSyntaxUid) || end > parsedBytesMax) return headerBytesMax;
  return end <= headerPrefixBytes ? 0 : end * headerGrowth;
}

/** @throws {BrokenObjectError} */
async function headerIn(read: RangeReader, { byteCount, sopInstanceUid }: KeptInstance): Promise<ParsedHeader> {
  try {
    return await readHeader(read, byteCount);
  } catch (error) {
    throw error instanceof DicomParseError ? new BrokenObjectError(sopInstanceUid, error) : error;
  }
}

/** Ranges of a blob; shorter than asked only where it ends. The first read of all of it is one the store verifies. */
export function rangeReader(
  kept: KeptInstances,
  { blobKey, byteCount }: KeptInstance,
  signal: AbortSignal,
): RangeReader {
  return async (offset, wanted) => {
    // A range that starts at the end is an error to an S3 server.
    const length = Math.min(wanted, byteCount - offset);
    if (length <= 0) return new Uint8Array(0);
    const isAll = offset === 0 && length === byteCount;
    return bytesOf(await kept.open(blobKey, signal, isAll ? undefined : { offset, length }), length, signal);
  };
}

/**
 * What a stream gives, in one buffer of that size: collecting chunks and joining them would take twice as much.
 * @returns fewer bytes where it ends before
 */
export async function bytesOf(
  stream: AsyncIterable<Uint8Array>,
  length: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for await (const chunk of stream) {
    bytes.set(chunk.subarray(0, length - at), at);
    at = Math.min(length, at + chunk.length);
    signal.throwIfAborted();
    if (at === length) break;
  }
  return bytes.subarray(0, at);
}

/** A deflated dataset is that of its file from here on (PS3.5 A.5). */
export interface DeflatedDataset {
  readonly kept: KeptInstances;
  readonly instance: KeptInstance;
  /** First byte of the dataset in the file. */
  readonly datasetOffset: number;
}

/**
 * A range of a deflated dataset, inflated from its beginning and as fast as it is taken: what is before it is passed over.
 * @param range in the inflated dataset
 * However many times it inflates, as nothing of it is held (sparse label maps do some thousand times): the limit is that of
 * who gives the whole object.
 * Thrown from it when it cannot be inflated, ends before, or inflates past that limit: BrokenObjectError.
 */
export async function* inflatedRange(
  { kept, instance, datasetOffset }: DeflatedDataset,
  { offset, length }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const broken = (cause: unknown): BrokenObjectError => new BrokenObjectError(instance.sopInstanceUid, cause);
  const inflater = createInflateRaw({ chunkSize: pieceBytes });
  // What goes wrong in any of the streams is thrown by the last one.
  pipeline(await kept.open(instance.blobKey, signal, { offset: datasetOffset }), inflater, () => undefined);
  let at = 0;
  try {
    for await (const chunk of inflater as AsyncIterable<Uint8Array>) {
      const begin = at;
      at += chunk.length;
      if (at > defaultTranscodeLimits.inflatedBytesMax) throw broken('it inflates past its limit');
      // A little that inflates to very much stands in line with all others.
      if (Math.floor(at / bytesOfTurn) > Math.floor(begin / bytesOfTurn)) await loopTurns.next();
      if (at > offset) yield chunk.subarray(Math.max(0, offset - begin), offset + length - begin);
      if (at >= offset + length) return;
    }
  } catch (cause) {
    const isZlib = cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_');
    throw isZlib ? broken(cause) : cause;
  } finally {
    inflater.destroy();
  }
  throw broken('it ends before what it says it holds');
}

const pieceBytes = 64 * 1024;
const bytesOfTurn = 1024 * 1024;

/** Held bytes as a stream. Its pieces are copies: what waits in a socket is little, and does not keep all of them. */
export function streamOf(bytes: Uint8Array): Readable {
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield Buffer.from(bytes.subarray(at, at + pieceBytes));
  };
  return Readable.from(pieces(), { objectMode: false });
}
