import { describe, expect, it } from 'vitest';

import { middleFrame, representatives } from './representatives.js';

const series = (uid: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ seriesInstanceUid: uid, name: `${uid}${i + 1}` }));
const names = (all: readonly { readonly name: string }[]): string[] => all.map(({ name }) => name);

describe('what stands for many', () => {
  it('is the middle of the largest series, then the middle of the next', () => {
    const all = [...series('a', 1), ...series('b', 5), ...series('c', 3)];
    expect(names(representatives(all))).toEqual(['b3', 'c2', 'a1', 'b4', 'c3', 'b2', 'c1', 'b5', 'b1']);
  });

  it('is itself, or nothing', () => {
    expect(names(representatives(series('a', 1)))).toEqual(['a1']);
    expect(representatives([])).toEqual([]);
  });

  it('is looked for among a few of very many', () => {
    const all = [...series('a', 10_000), ...Array.from({ length: 100 }, (_, i) => series(`s${i}`, 1)).flat()];
    expect(representatives(all)).toHaveLength(16);
    expect(names(representatives(all))[0]).toBe('a5000');
  });

  it('is the middle frame', () => {
    expect([1, 2, 3, 4, 100].map((frames) => middleFrame({ frames }))).toEqual([1, 1, 2, 2, 50]);
  });
});
