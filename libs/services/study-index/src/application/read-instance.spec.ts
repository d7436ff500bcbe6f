import { parseHeader, type ParsedHeader } from '@callosum/dicom';
import { ObjectNotFoundError, ObjectStoreUnavailableError } from '@callosum/object-store';
import { beforeEach, describe, expect, it } from 'vitest';

import type { StoredInstance } from '../domain/instance.js';
import { blobs, forgetObjects, reader, slice, store } from '../test-support/objects.js';
import { type BlobReader, readInstance, readShown } from './read-instance.js';

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
