import type { Steps } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { DatasetTurns } from './store-datasets.js';

describe('DatasetTurns', () => {
  it('lets one dataset at a time be there as objects, in the order they came', async () => {
    const datasets = new DatasetTurns();
    const seen: string[] = [];
    const work = (name: string) =>
      function* (): Steps<string> {
        for (let i = 0; i < 3; i++) {
          seen.push(name);
          yield;
        }
        return name;
      };
    expect(await Promise.all(['a', 'b', 'c'].map((name) => datasets.run(work(name))))).toEqual(['a', 'b', 'c']);
    expect(seen.join('')).toBe('aaabbbccc');
  });

  it('goes on behind one that fails', async () => {
    const datasets = new DatasetTurns();
    const failing = datasets.run(function* (): Steps<never> {
      yield;
      throw new Error('no dataset');
    });
    const next = datasets.run(function* () {
      yield;
      return 1;
    });
    await expect(failing).rejects.toThrow('no dataset');
    expect(await next).toBe(1);
  });
});
