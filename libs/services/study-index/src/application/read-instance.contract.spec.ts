import { deflateRawSync } from 'node:zlib';

import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  implementationClassUid,
  parseHeader,
  type ParsedHeader,
  writeFileMeta,
} from '@callosum/dicom';
import { ObjectNotFoundError, ObjectStoreUnavailableError } from '@callosum/object-store';
import { beforeEach, describe, expect, it } from 'vitest';

import { emptyItems, framesOf, identity, pixels } from '../../../../standards/dicom/test-support/many-elements.js';
import { jsonColumn } from '../adapters/json-column.js';
import type { StoredInstance } from '../domain/instance.js';
import { blobs, forgetObjects, reader, slice, store } from '../test-support/objects.js';
import { type BlobReader, headerBytesMax, headerBytesOf, readInstance, readShown } from './read-instance.js';

describe('an instance whose fact is old', () => {
  beforeEach(forgetObjects);

  const archive = (shown: readonly StoredInstance[], error: (key: string) => Error) => ({
    read: (key: string, offset: number, byteCount: number) =>
      blobs.has(key) ? reader.read(key, offset, byteCount) : Promise.reject(error(key)),
    shown: () => Promise.resolve(shown),
  });
  const gone = (key: string) => new ObjectNotFoundError(key);

  it('is read while its blob is there', async () => {
    const one = store(slice('s', 'a', 1));
    expect(await readShown(archive([], gone), one)).toMatchObject({ sopInstanceUid: one.sopInstanceUid });
  });

  it('is passed over once it is erased, also where a later revision of it is shown', async () => {
    const one = store(slice('s', 'a', 1));
    blobs.clear();
    expect(await readShown(archive([], gone), one)).toBeUndefined();
    const later = { ...one, blob: { ...one.blob, key: 'another' } };
    expect(await readShown(archive([later], gone), one)).toBeUndefined();
  });

  it('is an error where the archive shows it and has lost it, or does not answer', async () => {
    const one = store(slice('s', 'a', 1));
    blobs.clear();
    await expect(readShown(archive([one], gone), one)).rejects.toThrow(ObjectNotFoundError);
    const away = () => new ObjectStoreUnavailableError('away');
    await expect(readShown(archive([], away), one)).rejects.toThrow(ObjectStoreUnavailableError);
  });
});

describe('an instance without pixels that is longer than any memory of ours', () => {
  it('is indexed as the archive has taken it: its document is bulk data, and not read', async () => {
    const bytes = 2 * 1024 * 1024 * 1024;
    const sliced = slice('s', 'a', 1);
    const { pixelData } = parseHeader(sliced, { complete: true }) as ParsedHeader;
    const head = Buffer.from([0x42, 0x00, 0x11, 0x00, 0x4f, 0x42, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32LE(bytes, 8);
    // In the place of its pixels, whose head is as long.
    const begin = Buffer.concat([sliced.subarray(0, (pixelData?.offset ?? 0) - head.length), head]);
    const one = store(sliced);
    let readBytes = 0;
    const far: BlobReader = {
      read: (_, offset, byteCount) => {
        readBytes += byteCount;
        const piece = Buffer.alloc(byteCount);
        if (offset < begin.length) begin.copy(piece, 0, offset);
        return Promise.resolve(piece);
      },
    };
    const record = await readInstance(far, { ...one, blob: { ...one.blob, byteCount: begin.length + bytes } });
    expect(record.metadata['00420011']).toEqual({
      vr: 'OB',
      BulkDataURI: expect.stringMatching(/bulkdata\/00420011$/) as string,
    });
    expect(readBytes).toBeLessThan(4 * 1024 * 1024);
  });
});

describe('an instance of very many elements', () => {
  const mebibyte = 1024 * 1024;
  const rssMax = (): number => process.resourceUsage().maxRSS * 1024;
  const one = store(slice('s', 'a', 1));

  function fileOf(transferSyntaxUid: string, part: Buffer): Buffer {
    const dataset = Buffer.concat([identity(one), part, pixels(1_000)]);
    return Buffer.concat([
      writeFileMeta({ ...one, implementationClassUid, transferSyntaxUid }),
      transferSyntaxUid === DeflatedExplicitVRLittleEndian ? deflateRawSync(dataset, { level: 1 }) : dataset,
    ]);
  }

  it.each([
    ['150,000 tiles', ExplicitVRLittleEndian, () => framesOf(150_000), '52009230'],
    ['150,000 tiles, deflated', DeflatedExplicitVRLittleEndian, () => framesOf(150_000), '52009230'],
    ['2,000,000 empty items', ExplicitVRLittleEndian, () => emptyItems(2_000_000), '00291010'],
    ['2,000,000 empty items, deflated', DeflatedExplicitVRLittleEndian, () => emptyItems(2_000_000), '00291010'],
  ])('is indexed in a share of 512 MiB, without what is too much: %s', async (_, transferSyntaxUid, part, tag) => {
    const file = fileOf(transferSyntaxUid, part());
    const far: BlobReader = {
      read: (_key, offset, byteCount) => Promise.resolve(file.subarray(offset, offset + byteCount)),
    };
    const stored = { ...one, transferSyntaxUid, blob: { ...one.blob, byteCount: file.length } };
    const before = rssMax();
    const { metadata, patient, isPartial } = await readInstance(far, stored);
    expect(isPartial).toBe(true);
    expect(jsonColumn(metadata).length).toBeLessThan(10_000);
    expect(rssMax() - before).toBeLessThan(headerBytesMax);
    expect(patient.patientName).toBe('Nobody^Test');
    expect(metadata[tag]).toBeUndefined();
  });

  it('of all that is kept takes no more than one may', async () => {
    const file = fileOf(ExplicitVRLittleEndian, framesOf(12_000));
    const far: BlobReader = {
      read: (_key, offset, byteCount) => Promise.resolve(file.subarray(offset, offset + byteCount)),
    };
    const before = rssMax();
    const stored = { ...one, blob: { ...one.blob, byteCount: file.length } };
    const { metadata, isPartial } = await readInstance(far, stored);
    expect(isPartial).toBe(false);
    expect(metadata['52009230']?.Value).toHaveLength(12_000);
    expect(jsonColumn(metadata).length).toBeGreaterThan(mebibyte);
    expect(rssMax() - before).toBeLessThan(headerBytesMax);
  });

  it('is read alone, also where it is small because it is deflated', () => {
    const [short, long] = [512 * 1024, 100 * mebibyte].map((byteCount) => ({ ...one.blob, byteCount }));
    expect(headerBytesOf({ ...one, blob: short ?? one.blob })).toBeLessThan(headerBytesMax / 16);
    expect(headerBytesOf({ ...one, blob: long ?? one.blob })).toBe(headerBytesMax);
    expect(headerBytesOf({ ...one, transferSyntaxUid: DeflatedExplicitVRLittleEndian })).toBe(headerBytesMax);
  });
});
