import fc from 'fast-check';
import { expect, it } from 'vitest';

import { fragmentBytesFor, fragmentsOf } from './fragments.js';

it('fragments are full and even but for the last, and hold every byte in its order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 30 }).map((half) => half * 2),
      async (pieces, fragmentBytes) => {
        const buffers = pieces.map((piece) => Buffer.from(piece));
        const fragments = [];
        for await (const fragment of fragmentsOf(buffers, fragmentBytes)) fragments.push(fragment);
        const last = fragments.pop();
        expect(last?.last).toBe(true);
        expect(fragments.every(({ bytes, last: isLast }) => bytes === fragmentBytes && !isLast)).toBe(true);
        const all = [...fragments, ...(last ? [last] : [])];
        expect(Buffer.concat(all.flatMap((fragment) => fragment.pieces))).toEqual(Buffer.concat(buffers));
        for (const fragment of all) expect(Buffer.concat(fragment.pieces).length).toBe(fragment.bytes);
        expect(last?.bytes).toBeLessThanOrEqual(fragmentBytes);
      },
    ),
    { seed: 20261126, numRuns: 100 },
  );
});

it('a fragment and its header fit the longest PDU of both sides', () => {
  expect(fragmentBytesFor(16_384, 262_144)).toBe(16_378);
  expect(fragmentBytesFor(0, 262_144)).toBe(262_138);
  expect(fragmentBytesFor(4_000_000, 262_144)).toBe(262_138);
  expect(fragmentBytesFor(129, 262_144)).toBe(122);
});
