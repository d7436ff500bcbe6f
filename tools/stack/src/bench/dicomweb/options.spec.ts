import { expect, it } from 'vitest';

import { readArguments } from './options.js';

const read = (...args: string[]) => readArguments('/data', args, ['store', 'frame']);

it('runs every part with both receivers when nothing is said', () => {
  const { parts, receivers, count, studies, dir } = read();
  expect(parts).toEqual(['store', 'frame']);
  expect(receivers).toEqual(['node', 'orthanc']);
  expect([count, studies]).toEqual([200, [1_000, 100_000, 1_000_000]]);
  expect(dir).toBe('/data/dicomweb');
});

it('runs what is named', () => {
  const { parts, receivers, rounds, studies } = read('frame', '--receivers=node', '--rounds=3', '--studies=10,20');
  expect([parts, receivers, rounds, studies]).toEqual([['frame'], ['node'], 3, [10, 20]]);
});

it.each([['nothing'], ['--receivers=dcm4chee'], ['--rounds=0'], ['--rounds=many'], ['--studies=1,'], ['--count=1.5']])(
  'does not run %s',
  (arg) => {
    expect(() => read(arg)).toThrow(RangeError);
  },
);
