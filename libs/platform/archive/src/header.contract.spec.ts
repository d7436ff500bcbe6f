import { Readable } from 'node:stream';
import { deflateRawSync } from 'node:zlib';

import { DeflatedExplicitVRLittleEndian, DicomParseError, ExplicitVRLittleEndian } from '@callosum/dicom';
import type { ByteRange, ObjectStore } from '@callosum/object-store';
import { describe, expect, it } from 'vitest';

import { emptyItems, framesOf, identity, pixels } from '../../../standards/dicom/test-support/many-elements.js';
import { part10 } from '../../../standards/dimse/test-support/objects.js';
import { completeHeader } from './header.js';
import { InstanceBytes } from './instance-bytes.js';

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

describe('an object of very many elements', () => {
  const uids = {
    sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
    sopInstanceUid: '1.2.3.4.5',
    studyInstanceUid: '1.2.33',
    seriesInstanceUid: '1.2.3.33',
  };
  const rssMax = (): number => process.resourceUsage().maxRSS * 1024;

  function fileOf(transferSyntaxUid: string, part: Buffer): Buffer {
    const identified = part10({ pixelBytes: 2, transferSyntaxUid });
    const meta = identified.subarray(0, 132 + 12 + identified.readUInt32LE(132 + 8));
    const dataset = Buffer.concat([identity(uids), part, pixels(1_000)]);
    return Buffer.concat([
      meta,
      transferSyntaxUid === DeflatedExplicitVRLittleEndian ? deflateRawSync(dataset, { level: 1 }) : dataset,
    ]);
  }

  it.each([
    ['150,000 tiles', ExplicitVRLittleEndian, () => framesOf(150_000)],
    ['150,000 tiles, deflated', DeflatedExplicitVRLittleEndian, () => framesOf(150_000)],
    ['2,000,000 empty items', ExplicitVRLittleEndian, () => emptyItems(2_000_000)],
    ['2,000,000 empty items, deflated', DeflatedExplicitVRLittleEndian, () => emptyItems(2_000_000)],
  ])('is described in the memory of a small one: %s', async (_, transferSyntaxUid, part) => {
    const file = fileOf(transferSyntaxUid, part());
    const get = (_key: string, { offset = 0, length = file.length }: ByteRange = { offset: 0 }): Promise<Readable> =>
      Promise.resolve(Readable.from([file.subarray(offset, offset + length)], { objectMode: false }));
    const before = rssMax();
    const bytes = new InstanceBytes();
    for (let at = 0; at < file.length; at += 65_536) bytes.take(file.subarray(at, at + 65_536));
    const blob = { key: 'k', byteCount: file.length, sha256: '' };
    expect(await bytes.describe({ get } as unknown as ObjectStore, blob, uids)).toMatchObject(uids);
    expect(rssMax() - before).toBeLessThan(96 * mebibyte);
  });
});
