import { open } from 'node:fs/promises';

import { errorMessage } from '@callosum/kernel';

import { NotPart10Error } from './errors.js';
import type { DicomFile } from './store-outcome.js';

/** What a C-STORE needs to know of a file, and where its dataset begins. */
export interface Part10 {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly datasetOffset: number;
  readonly totalBytes: number;
}

/** File meta information of real files is some 200 to 400 bytes; private information in it may make it longer. */
const metaBytesMax = 64 * 1024;
const preambleBytes = 132;
const longVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/**
 * Reads the file meta information (PS3.10 section 7.1) and nothing else.
 * @throws {NotPart10Error} no DICM prefix, unreadable, or without SOP class, instance or transfer syntax
 */
export async function readPart10(file: DicomFile): Promise<Part10> {
  if (typeof file !== 'string') {
    const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
    return parseMeta(bytes.subarray(0, metaBytesMax), bytes.length);
  }
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const head = Buffer.alloc(Math.min(size, metaBytesMax));
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      return parseMeta(head.subarray(0, bytesRead), size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof NotPart10Error
      ? error
      : new NotPart10Error(`the file cannot be read: ${errorMessage(error)}`);
  }
}

function parseMeta(head: Buffer, totalBytes: number): Part10 {
  if (head.toString('latin1', 128, preambleBytes) !== 'DICM')
    throw new NotPart10Error('no DICM prefix: not a DICOM file');
  const values = new Map<number, string>();
  let offset = preambleBytes;
  while (offset + 8 <= head.length && head.readUInt16LE(offset) === 0x0002) {
    const element = head.readUInt16LE(offset + 2);
    const long = longVrs.has(head.toString('latin1', offset + 4, offset + 6));
    const valueOffset = offset + (long ? 12 : 8);
    if (valueOffset > head.length) break;
    const end = valueOffset + (long ? head.readUInt32LE(offset + 8) : head.readUInt16LE(offset + 6));
    if (end > head.length) throw new NotPart10Error('file meta information is cut off or too long');
    values.set(element, head.toString('latin1', valueOffset, Math.min(end, valueOffset + 64)).replace(/[\0 ]+$/, ''));
    offset = end;
  }
  const [sopClassUid, sopInstanceUid, transferSyntaxUid] = [values.get(0x0002), values.get(0x0003), values.get(0x0010)];
  if (!sopClassUid || !sopInstanceUid || !transferSyntaxUid) {
    throw new NotPart10Error('file meta information lacks SOP class, SOP instance or transfer syntax');
  }
  return { sopClassUid, sopInstanceUid, transferSyntaxUid, datasetOffset: offset, totalBytes };
}

/** The dataset's bytes as they stand in the file, in pieces of at most `chunkBytes`. */
export async function* datasetBytes(
  file: DicomFile,
  { datasetOffset, totalBytes }: Part10,
  chunkBytes: number,
): AsyncGenerator<Buffer> {
  if (typeof file !== 'string') {
    const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
    for (let at = datasetOffset; at < totalBytes; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
    return;
  }
  const handle = await open(file).catch((cause: unknown) => {
    throw new NotPart10Error(`the file cannot be read: ${errorMessage(cause)}`);
  });
  try {
    let at = datasetOffset;
    while (at < totalBytes) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, totalBytes - at));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw new NotPart10Error('the file became shorter while it was sent');
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
