import { expect, it } from 'vitest';

import { interleaved, median, ratioOf, spreadOf } from './rounds.js';

it('takes turns, and the first round does not count', async () => {
  const order: string[] = [];
  const run = (name: string) => async (): Promise<number> => Promise.resolve(order.push(name));
  const results = await interleaved(
    new Map([
      ['a', run('a')],
      ['b', run('b')],
    ]),
    2,
  );
  expect(order.join('')).toBe('ababab');
  expect([...results]).toEqual([
    ['a', [3, 5]],
    ['b', [4, 6]],
  ]);
});

it('medians of odd, even and no counts', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
});

it('a ratio is judged round by round: a slow machine slows both', () => {
  expect(ratioOf([100, 20, 110], [50, 10, 55])).toBe(2);
  expect(ratioOf([100, 100], [50])).toBe(2);
  expect(ratioOf([], [])).toBeNaN();
});
