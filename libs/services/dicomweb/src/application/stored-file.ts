import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';

import {
  defaultParseLimits,
  DicomParseError,
  type ParsedFile,
  type ParsedHeader,
  parseFile,
  parseHeader,
  transferSyntaxOf,
} from '@callosum/dicom';

import { TooLargeError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances, RetrieveMemory } from './ports.js';

/** Most headers end here. A first read of this size is not counted as held memory. */
const headerFirstBytes = 64 * 1024;
const headerGrowth = 8;
/** A header that is longer (a slide image with many frames, a document) is read with the whole object. */
const headerBytesMax = 32 * 1024 * 1024;

/**
 * An instance up to its Pixel Data, without the pixels.
 * @returns undefined when it can only be read with the whole object
 * @throws {MemoryTakenError} {RetrieveEndedError}
 */
export async function readHeader(
  kept: KeptInstances,
  instance: KeptInstance,
  memory: RetrieveMemory,
): Promise<ParsedHeader | undefined> {
  if (transferSyntaxOf(instance.transferSyntaxUid).deflated) return undefined;
  const bytesMax = Math.min(headerBytesMax, memory.bytesMax);
  for (let wanted = headerFirstBytes; ; wanted *= headerGrowth) {
    const length = Math.min(wanted, instance.byteCount);
    if (length > bytesMax) return undefined;
    if (length > headerFirstBytes) await memory.hold(length);
    const header = parseHeader(await read(kept, instance, length, memory), { complete: length === instance.byteCount });
    if (header !== 'need-more') return header;
  }
}

/** Whether an object may be held with `copies - 1` more of its bytes beside it. How far one inflates is not known yet. */
export const mayBeHeld = ({ byteCount }: KeptInstance, memory: RetrieveMemory, copies: number): boolean =>
  byteCount * copies <= memory.bytesMax;

/**
 * A whole instance in memory.
 * @param copies how often its bytes are in memory at most, until the answer has ended
 * @throws {TooLargeError} when it may not be held @throws {MemoryTakenError} {RetrieveEndedError}
 */
export async function holdFile(
  kept: KeptInstances,
  instance: KeptInstance,
  memory: RetrieveMemory,
  copies: number,
): Promise<ParsedFile> {
  const tooLarge = (): TooLargeError =>
    new TooLargeError(
      'the object is too large to be read but as it is stored: retrieve the instance with transfer-syntax=*',
    );
  if (!mayBeHeld(instance, memory, copies)) throw tooLarge();
  const { byteCount, transferSyntaxUid } = instance;
  if (!transferSyntaxOf(transferSyntaxUid).deflated) {
    await memory.hold(byteCount * copies);
    return parseFile(await read(kept, instance, byteCount, memory));
  }
  const inflatedBytesMax = Math.min(
    Math.floor((memory.bytesMax - byteCount) / copies),
    Math.max(smallInflatedBytes, byteCount * defaultParseLimits.inflateRatioMax),
  );
  await memory.hold(byteCount + copies * inflatedBytesMax);
  const bytes = await read(kept, instance, byteCount, memory);
  try {
    return parseFile(bytes, { limits: { inflatedBytesMax } });
  } catch (error) {
    // What the archive took can be read: it is only more than may be held.
    throw error instanceof DicomParseError ? tooLarge() : error;
  }
}

/**
 * The first bytes of a blob, in one buffer of that size: collecting chunks and joining them would take twice as much. All
 * of them are asked for without a range: the store verifies what is read whole.
 */
async function read(
  kept: KeptInstances,
  { blobKey, byteCount }: KeptInstance,
  length: number,
  memory: RetrieveMemory,
): Promise<Uint8Array> {
  const { signal } = memory;
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  const chunks = await (length < byteCount
    ? kept.open(blobKey, signal, { offset: 0, length })
    : kept.open(blobKey, signal));
  for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
    bytes.set(chunk.subarray(0, length - at), at);
    at = Math.min(length, at + chunk.length);
    signal.throwIfAborted();
  }
  await stillAsked(memory);
  return bytes.subarray(0, at);
}

/**
 * Between steps that take long and do not pause: lets the end of a connection come through.
 * @throws {RetrieveEndedError} when nobody waits for the next step
 */
async function stillAsked({ signal }: RetrieveMemory): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}

/** What the parser lets any deflated dataset inflate to, whatever the ratio. */
const smallInflatedBytes = 1024 * 1024;

const pieceBytes = 64 * 1024;

/** Held bytes as a stream. Its pieces are copies: what waits in a socket is little, and does not keep all of them. */
export function streamOf(...all: readonly Uint8Array[]): Readable {
  const pieces = function* (): Generator<Uint8Array> {
    for (const bytes of all) {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield Buffer.from(bytes.subarray(at, at + pieceBytes));
    }
  };
  return Readable.from(pieces(), { objectMode: false });
}
