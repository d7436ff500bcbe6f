import { setImmediate as turn } from 'node:timers/promises';

import { ObjectNotFoundError, ObjectStoreUnavailableError, type ObjectInfo } from '@callosum/object-store';
import { describe, expect, it } from 'vitest';

import { classesOf, durableCopies, type KeptCopy } from './durable-classes.js';

let copies = 0;
const copy = (sopInstanceUid: string, sopClassUid: string, blobKey: string, current = true): KeptCopy => ({
  id: ++copies,
  studyInstanceUid: '1',
  sopInstanceUid,
  sopClassUid,
  blobKey,
  current,
});

class Heads {
  asked = 0;
  atOnce = 0;
  #now = 0;

  constructor(private readonly failing: ReadonlyMap<string, Error> = new Map()) {}

  async head(key: string): Promise<ObjectInfo> {
    this.asked++;
    this.atOnce = Math.max(this.atOnce, ++this.#now);
    await turn();
    this.#now--;
    const error = this.failing.get(key);
    if (error) throw error;
    return { key, byteCount: 1 } as ObjectInfo;
  }
}

describe('classes of instances whose bytes are there', () => {
  it('are those of every copy, and none of an instance whose current object is gone', async () => {
    const gone = (key: string) => [key, new ObjectNotFoundError(key)] as const;
    const store = new Heads(new Map([gone('one'), gone('two-beside')]));
    const durable = await durableCopies(store, [
      copy('1.1', 'CT', 'one'),
      copy('1.1', 'CT', 'one-beside', false),
      copy('1.2', 'CT', 'two'),
      copy('1.2', 'MR', 'two-beside', false),
      copy('1.3', 'CT', 'three'),
      copy('1.3', 'MR', 'three-beside', false),
    ]);
    expect(classesOf(durable)).toEqual(
      new Map([
        ['1.2', new Set(['CT'])],
        ['1.3', new Set(['CT', 'MR'])],
      ]),
    );
  });

  it('are asked for a few at once, and no further when the object store does not answer', async () => {
    const many = Array.from({ length: 500 }, (_, at) => copy(`1.${String(at)}`, 'CT', `blob-${String(at)}`));
    const store = new Heads();
    expect(await durableCopies(store, many)).toHaveLength(500);
    expect(store.atOnce).toBeGreaterThan(1);
    expect(store.atOnce).toBeLessThan(20);
    const away = new Heads(new Map([['blob-3', new ObjectStoreUnavailableError('away')]]));
    await expect(durableCopies(away, many)).rejects.toThrow(ObjectStoreUnavailableError);
    for (let at = 0; at < 5; at++) await turn();
    expect(away.asked).toBeLessThan(30);
  });
});
