import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { FileObjectStore } from '@callosum/object-store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { LabelMapUnreadableError } from '../application/errors.js';
import { StoredLabelMaps } from './label-maps.js';

let folder: string;
let maps: StoredLabelMaps;
const voxels = Uint8Array.from({ length: 1000 }, (_, index) => index % 3);
const sha256 = createHash('sha256').update(voxels).digest('hex');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callosum-maps-'));
  const store = new FileObjectStore({ root: folder, diskFreeBytesMin: 0 });
  const put = (key: string, bytes: Uint8Array) => store.put(key, one(bytes));
  await put('plain', voxels);
  await put('zipped', gzipSync(voxels));
  await put('bomb', gzipSync(new Uint8Array(5_000_000)));
  await put('large', new Uint8Array(100_000));
  maps = new StoredLabelMaps(store);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

describe('a stored label map', () => {
  it('is read plain or gzipped, and is the bytes the result names', async () => {
    expect([...(await maps.read('plain', sha256, 1000))]).toEqual([...voxels]);
    expect([...(await maps.read('zipped', sha256, 1000))]).toEqual([...voxels]);
  });

  it.each([
    ['gone', 'absent', sha256],
    ['of other bytes', 'plain', 'ab'.repeat(32)],
    ['larger than its grid', 'large', sha256],
    ['one that would inflate beyond its grid', 'bomb', sha256],
  ])('that is %s is refused', async (_, key, digest) => {
    await expect(maps.read(key, digest, 1000)).rejects.toThrow(LabelMapUnreadableError);
  });
});
