import { describe, expect, it } from 'vitest';

import { leastBusyOf } from './file-writers.js';

const mebibyte = 1024 * 1024;
const thread = (name: string, objects: number, bytes: number) => ({ name, objects, bytes });

describe('the thread of a further object', () => {
  it.each([
    ['has the fewest objects', [thread('a', 2, 0), thread('b', 1, 0), thread('c', 3, 0)], 'b'],
    ['is not the one with gigabytes to flush', [thread('a', 1, 4_096 * mebibyte), thread('b', 8, 4 * mebibyte)], 'b'],
    ['is the one with a slice more', [thread('a', 1, mebibyte), thread('b', 2, 0)], 'a'],
    ['is the one whose bytes are fewer', [thread('a', 1, 2 * mebibyte), thread('b', 1, mebibyte)], 'b'],
  ])('%s', (_what, threads, name) => {
    expect(leastBusyOf(threads)?.name).toBe(name);
  });

  it('is a new one where there is none', () => {
    expect(leastBusyOf([])).toBeUndefined();
  });
});
