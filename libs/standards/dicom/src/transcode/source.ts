import { Readable, pipeline } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { DicomParseError } from '../errors.js';
import { actualEncoding } from '../parse/actual-encoding.js';
import { EndOfBytes, type Encoding } from '../parse/cursor.js';
import { readFileMeta } from '../parse/file-meta.js';
import { loopTurns } from '../parse/loop-turns.js';
import { transferSyntaxOf, type TransferSyntax } from '../transfer-syntax.js';
import { ByteStream } from './byte-stream.js';
import { headBytesMax } from './head.js';
import type { TranscodeLimits } from './limits.js';

/** Where an object's bytes come from. */
export interface TranscodeSource {
  /**
   * The bytes from the first one. Opened once to look at the object and once more to transcode it; what is not needed is
   * not asked for, and the iterator's `return` is called when no more is.
   */
  open(signal: AbortSignal | undefined): AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
  /** Of a bare dataset, as DIMSE carries it; undefined for a PS3.10 file, which states its own. */
  readonly transferSyntaxUid?: string;
}

/** A dataset about to be read. */
export interface OpenDataset {
  readonly transferSyntax: TransferSyntax;
  /** As it really is: some files state Explicit VR and hold Implicit VR, or the reverse. */
  readonly encoding: Encoding;
  /** Inflated already; at the dataset's first byte. */
  readonly stream: ByteStream;
  /** Lets the source go. */
  close(): Promise<void>;
}

/** The longest File Meta Information; real ones stay below 1 KiB. */
const metaBytesMax = 1024 * 1024;

/** Opens a source at its dataset. Thrown when it is no DICOM object: DicomParseError. */
export async function openDataset(
  source: TranscodeSource,
  limits: TranscodeLimits,
  signal: AbortSignal | undefined,
): Promise<OpenDataset> {
  const raw = new ByteStream(await source.open(signal), signal);
  try {
    const transferSyntax = transferSyntaxOf(source.transferSyntaxUid ?? (await skipFileMeta(raw)));
    const stream = transferSyntax.deflated ? new ByteStream(inflated(raw, limits.inflatedBytesMax), signal) : raw;
    await stream.fill(headBytesMax);
    const stated = { implicitVr: transferSyntax.implicitVr, bigEndian: transferSyntax.bigEndian };
    const encoding = actualEncoding(stream.peek(headBytesMax), 0, stated);
    const close = async (): Promise<void> => {
      if (stream !== raw) await stream.close();
      await raw.close();
    };
    return { transferSyntax, encoding, stream, close };
  } catch (error) {
    await raw.close();
    throw error;
  }
}

/** The dataset's bytes as they are stored, deflated ones too. Errors as `openDataset`. */
export async function* storedDataset(
  source: TranscodeSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const raw = new ByteStream(await source.open(signal), signal);
  try {
    if (source.transferSyntaxUid === undefined) await skipFileMeta(raw);
    yield* raw.rest();
  } finally {
    await raw.close();
  }
}

/** Passes group 0002. Returns the transfer syntax it states. */
async function skipFileMeta(stream: ByteStream): Promise<string> {
  for (let wanted = 1024; ; wanted *= 4) {
    const isLonger = await stream.fill(wanted);
    const meta = fileMetaOf(stream.peek(wanted), isLonger && wanted < metaBytesMax);
    if (!meta) continue;
    stream.take(meta.datasetOffset);
    return meta.fileMeta.transferSyntaxUid;
  }
}

/** Undefined when more bytes are needed, and there are more. */
export function fileMetaOf(bytes: Uint8Array, hasMore: boolean): ReturnType<typeof readFileMeta> | undefined {
  try {
    const meta = readFileMeta(bytes);
    // Where the bytes end between two elements, the group may go on.
    return hasMore && meta.datasetOffset + 8 > bytes.length ? undefined : meta;
  } catch (error) {
    if (!(error instanceof EndOfBytes)) throw error;
    if (hasMore) return undefined;
    throw new DicomParseError('Truncated: the bytes end inside File Meta Information');
  }
}

/** What is inflated in one turn of the event loop: a little that inflates to very much stands in line with all others. */
const inflatedBytesOfTurn = 1024 * 1024;

/** PS3.5 A.5: the dataset is one raw DEFLATE stream; a byte of padding may follow. */
export async function* inflated(raw: ByteStream, bytesMax: number): AsyncGenerator<Uint8Array> {
  const inflater = createInflateRaw({ chunkSize: 64 * 1024 });
  // What goes wrong in any of the streams is thrown by the last one.
  pipeline(Readable.from(raw.rest(), { objectMode: false }), inflater, () => undefined);
  let byteCount = 0;
  let turns = 0;
  try {
    for await (const chunk of inflater as AsyncIterable<Uint8Array>) {
      byteCount += chunk.length;
      if (byteCount > bytesMax) throw new DicomParseError('The deflated dataset inflates past its limit');
      if (byteCount > (turns + 1) * inflatedBytesOfTurn) {
        turns++;
        await loopTurns.next();
      }
      yield chunk;
    }
  } catch (cause) {
    const isZlib = cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_');
    throw isZlib ? new DicomParseError('The deflated dataset cannot be inflated', { cause }) : cause;
  } finally {
    inflater.destroy();
  }
}
