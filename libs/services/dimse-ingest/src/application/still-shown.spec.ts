import { CallosumError } from '@callosum/kernel';
import { expect, it } from 'vitest';

import { at } from '../test-support/query.js';
import type { LocatedInstance } from './query-ports.js';
import { StillShown } from './still-shown.js';

const instances = ['1.1', '1.2', '1.3'].map((uid) => at(uid)) as LocatedInstance[];
const { signal } = new AbortController();
const away = new CallosumError('archive.unavailable', 'unavailable', 'away');

it('an archive that is away for a moment is waited for: nothing of the retrieve fails by it', async () => {
  let failures = 3;
  const archive = {
    now: () => (failures-- > 0 ? Promise.reject(away) : Promise.resolve(instances)),
  };
  const pauses: number[] = [];
  const shown = new StillShown(archive as never, instances, (ms) => Promise.resolve(pauses.push(ms)));
  expect((await shown.from(0, signal))[0]).toMatchObject({ sopInstanceUid: '1.1' });
  expect(pauses).toHaveLength(3);
});

it('what is no outage fails at once, and so does the waiting when the retrieve is cancelled', async () => {
  const defect = new TypeError('a defect');
  const broken = new StillShown({ now: () => Promise.reject(defect) } as never, instances);
  await expect(broken.from(0, signal)).rejects.toBe(defect);
  const cancel = new AbortController();
  const waiting = new StillShown({ now: () => Promise.reject(away) } as never, instances).from(0, cancel.signal);
  setImmediate(() => cancel.abort(new Error('cancelled')));
  await expect(waiting).rejects.toThrow();
});
