import { createHash } from 'node:crypto';

import type { ObjectStore, StoredObject } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { expect, it } from 'vitest';

import { InstanceStream } from './instance-writer.js';

it('says what is wrong with an object also where its blob cannot be deleted', async () => {
  const store = {
    put: async (key: string, bytes: AsyncIterable<Uint8Array>): Promise<Partial<StoredObject>> => {
      for await (const chunk of bytes) void chunk;
      return { key };
    },
    delete: () => Promise.reject(new Error('no right to delete')),
  } as unknown as ObjectStore;
  const stream = new InstanceStream(store, 'blob');
  await stream.write(Buffer.from('no DICOM object at all'));
  const failure = await stream.finish({}).catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind: 'invalid' });
});

it('leaves nothing of an object that whoever takes it does not want, and shows it whole before', async () => {
  const { bytes, sopInstanceUid } = tinyCt();
  const kept = new Map<string, Buffer>();
  const store = {
    put: async (key: string, source: AsyncIterable<Uint8Array>): Promise<StoredObject> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of source) chunks.push(chunk);
      kept.set(key, Buffer.concat(chunks));
      const sha256 = createHash('sha256').update(Buffer.concat(chunks)).digest('hex');
      return { key, byteCount: bytes.length, sha256 };
    },
    delete: (key: string) => Promise.resolve(void kept.delete(key)),
  } as unknown as ObjectStore;
  const refusal = new Error('not wanted');
  const seen: unknown[] = [];
  const assert = (object: unknown): void => {
    seen.push(object, kept.size);
    throw refusal;
  };
  const stream = new InstanceStream(store, 'blob');
  await stream.write(bytes);
  await expect(stream.finish({ assert })).rejects.toBe(refusal);
  expect(seen).toMatchObject([{ sopInstanceUid, transferSyntaxUid: '1.2.840.10008.1.2.1' }, 1]);
  expect(kept.size).toBe(0);
  const other = new InstanceStream(store, 'blob');
  await other.write(bytes);
  expect((await other.finish({ assert: () => undefined })).sopInstanceUid).toBe(sopInstanceUid);
  expect(kept.size).toBe(1);
});

it.each(['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'])(
  'takes no object with several %s',
  async (keyword) => {
    const store = {
      put: async (key: string, source: AsyncIterable<Uint8Array>): Promise<Partial<StoredObject>> => {
        for await (const chunk of source) void chunk;
        return { key };
      },
      delete: () => Promise.resolve(),
    } as unknown as ObjectStore;
    const stream = new InstanceStream(store, 'blob');
    await stream.write(tinyCt({ [keyword]: ['1.9.3', '1.9.4'] }).bytes);
    await expect(stream.finish({})).rejects.toMatchObject({ code: 'archive.missing-uid', attribute: keyword });
  },
);
