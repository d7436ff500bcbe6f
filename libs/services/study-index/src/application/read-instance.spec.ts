import { ObjectNotFoundError, ObjectStoreUnavailableError } from '@callosum/object-store';
import { beforeEach, describe, expect, it } from 'vitest';

import type { StoredInstance } from '../domain/instance.js';
import { blobs, forgetObjects, reader, slice, store } from '../test-support/objects.js';
import { readShown } from './read-instance.js';

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
