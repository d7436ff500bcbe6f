import { describe, expect, it } from 'vitest';

import { CollectedDataset } from './arrivals.js';
import { KeptDatasets } from './kept-datasets.js';

describe('datasets that are kept whole', () => {
  it('have one room for all of them, and give it back when they end', () => {
    const kept = new KeptDatasets(1_000, 1_000);
    const open = () => {
      const share = kept.share('CT1');
      return { share, collected: new CollectedDataset(600, () => undefined, share) };
    };
    const [one, other] = [open(), open()];
    one.collected.write(Buffer.alloc(600));
    other.collected.write(Buffer.alloc(400));
    expect([one.collected.tooLong, other.collected.tooLong, kept.byteCount]).toEqual([false, false, 1_000]);
    // Within its own limit, and there is no room.
    other.collected.write(Buffer.alloc(1));
    expect([other.collected.tooLong, kept.byteCount]).toEqual([true, 600]);
    other.collected.write(Buffer.alloc(1));
    expect(kept.byteCount).toBe(600);
    // It is served: whoever serves it has its bytes still.
    expect(one.collected.take()).toHaveLength(600);
    expect(kept.byteCount).toBe(600);
    one.share.release();
    one.share.release();
    expect(kept.byteCount).toBe(0);
  });

  it('leave room for other peers, however many one peer begins', () => {
    const kept = new KeptDatasets(1_000, 250);
    const hostile = Array.from({ length: 10 }, () => kept.share('HOSTILE'));
    expect(hostile.filter((share) => share.grow(100))).toHaveLength(2);
    const other = kept.share('CT1');
    expect([other.grow(250), other.grow(1), kept.byteCount]).toEqual([true, false, 450]);
    // What it had is free for its next ones.
    for (const share of hostile) share.release();
    other.release();
    expect(kept.byteCount).toBe(0);
    expect(kept.share('HOSTILE').grow(250)).toBe(true);
  });
});
