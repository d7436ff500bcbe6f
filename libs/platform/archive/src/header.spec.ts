import { Readable } from 'node:stream';

import { DicomParseError } from '@callosum/dicom';
import type { ByteRange, ObjectStore } from '@callosum/object-store';
import { describe, expect, it } from 'vitest';

import { part10 } from '../../../standards/dimse/test-support/objects.js';
import { completeHeader } from './header.js';

const mebibyte = 1024 * 1024;

/** A stored file whose last element is a document of so many bytes, of which nothing is held. */
function documentOf(bytes: number): { store: ObjectStore; total: number; read: () => number } {
  const identity = part10({ pixelBytes: 2 });
  const head = Buffer.from([0x42, 0x00, 0x11, 0x00, 0x4f, 0x42, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes, 8);
  const begin = Buffer.concat([identity.subarray(0, identity.length - 14), head]);
  let readBytes = 0;
  const get = (_key: string, range?: ByteRange): Promise<Readable> => {
    const { offset = 0, length = begin.length + bytes } = range ?? {};
    readBytes += length;
    const piece = Buffer.alloc(length);
    if (offset < begin.length) begin.copy(piece, 0, offset);
    return Promise.resolve(Readable.from([piece], { objectMode: false }));
  };
  return { store: { get } as unknown as ObjectStore, total: begin.length + bytes, read: () => readBytes };
}

describe('the header of an object that is a document of 3 GiB', () => {
  it('is read without it', async () => {
    const { store, total, read } = documentOf(3 * 1024 * mebibyte);
    const header = await completeHeader(store, 'k', total, new Uint8Array(0));
    expect(header.dataset.string('SOPInstanceUID')).toBe('1.2.3.4.5');
    expect(read()).toBeLessThan(4 * mebibyte);
  });

  it('is refused where the document is cut off', async () => {
    const { store, total } = documentOf(3 * 1024 * mebibyte);
    await expect(completeHeader(store, 'k', total - 1, new Uint8Array(0))).rejects.toThrow(DicomParseError);
  });
});
