import type { FileHandle } from 'node:fs/promises';

import { LendingBody, type Pieces } from '@callosum/kernel';

/**
 * Bytes of one read. Each costs a turn of a thread and some of the event loop, which for a CT is most of what it costs: half a
 * slice of 512 × 512 in 16 bits, with half of its header.
 */
const readBytes = 288 * 1024;
/** Kept for the next that lend: 9 MiB. */
const idleBuffersMax = 32;
/** What is shorter has a buffer of its own size. */
const lentBytesMin = 32 * 1024;

/** A buffer comes back only from who was asked for a piece behind its last: before that the kernel may still have it. */
const idleBuffers: Buffer[] = [];
const leased = (): Buffer => idleBuffers.pop() ?? Buffer.allocUnsafeSlow(readBytes);
function giveBack(buffer: Buffer): void {
  if (idleBuffers.length < idleBuffersMax) idleBuffers.push(buffer);
}

/** Where a body begins in its file, and behind its last byte; Infinity for the file's end. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** A file, or a range of it. It closes the file. */
export class FileBody extends LendingBody {
  readonly #file: FileHandle;

  constructor(file: FileHandle, extent: Extent) {
    const byteCount = extent.end - extent.start;
    super(
      (isLent) => (isLent && byteCount >= lentBytesMin ? lentPieces(file, extent) : ownPieces(file, extent)),
      Math.min(readBytes, Math.max(byteCount, 1)),
    );
    this.#file = file;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // A read that is under way has ended when it is closed.
    super._destroy(error, () => void this.#file.close().then(() => done(error), done));
  }
}

async function read(file: FileHandle, buffer: Buffer, position: number, end: number): Promise<number> {
  return (await file.read(buffer, 0, Math.min(buffer.length, end - position), position)).bytesRead;
}

async function* ownPieces(file: FileHandle, { start, end }: Extent): Pieces {
  let buffer: Buffer | undefined;
  for (let position = start; position < end;) {
    buffer ??= Buffer.allocUnsafeSlow(Math.min(readBytes, end - position));
    const byteCount = await read(file, buffer, position, end);
    if (byteCount === 0) return;
    position += byteCount;
    const piece = buffer.subarray(0, byteCount);
    // Whoever keeps a short one, as the end of a file or all of a small one, would keep the whole buffer.
    if (byteCount < buffer.length / 2) yield Buffer.from(piece);
    else {
      buffer = undefined;
      yield piece;
    }
  }
}

/** Reads the first piece at once, and each next one into another buffer while the one before is sent. */
function lentPieces(file: FileHandle, { start, end }: Extent): Pieces {
  const first = leased();
  const reading = read(file, first, start, end);
  // It may fail before anybody asks.
  reading.catch(() => undefined);
  return lentFrom(file, { start, end }, first, reading);
}

async function* lentFrom(file: FileHandle, { start, end }: Extent, first: Buffer, begun: Promise<number>): Pieces {
  let [buffer, reading] = [first, begun];
  let spare: Buffer | undefined;
  for (let position = start; ;) {
    const byteCount = await reading;
    position += byteCount;
    if (byteCount === 0) break;
    const piece = buffer.subarray(0, byteCount);
    if (position >= end) {
      yield piece;
      break;
    }
    const next = spare ?? leased();
    reading = read(file, next, position, end);
    reading.catch(() => undefined);
    yield piece;
    [buffer, spare] = [next, buffer];
  }
  giveBack(buffer);
  if (spare) giveBack(spare);
}
