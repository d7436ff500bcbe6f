import type { ObjectStore, StoredObject } from '@callosum/object-store';
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
