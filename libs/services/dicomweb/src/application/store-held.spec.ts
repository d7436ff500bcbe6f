import { describe, expect, it } from 'vitest';

import { StoreMemoryTakenError, UnusableMetadataError } from '../domain/errors/store.js';
import { HeldBytes, HeldMemory, RequestHold } from './store-held.js';

/** Of a block, beside its bytes. */
const cost = 512;

describe('RequestHold', () => {
  it('tells what is too much for the request from what others hold', () => {
    const memory = new HeldMemory(150);
    const [one, other] = [new RequestHold(memory, 100), new RequestHold(memory, 100)];
    one.take(100);
    expect(() => one.take(1)).toThrow(UnusableMetadataError);
    expect(() => other.take(51)).toThrow(StoreMemoryTakenError);
    other.take(50);
    one.give(100);
    other.take(50);
    expect([one.left, other.left, memory.tryTake(51), memory.tryTake(50)]).toEqual([50, 0, false, true]);
  });
});

describe('HeldBytes', () => {
  it('joins chunks of any size, and takes no more than twice what it holds and some', () => {
    const hold = new RequestHold(new HeldMemory(1_000_000), 1_000_000);
    const held = new HeldBytes(hold);
    const chunks = Array.from({ length: 3_000 }, (_, i) => Buffer.alloc(i % 7, i));
    for (const chunk of chunks) held.push(chunk);
    expect(1_000_000 - hold.left).toBeLessThanOrEqual(2 * 8_994 + 3 * cost);
    const { pieces, byteCount, heldBytes } = held.handOver();
    expect(Buffer.concat(pieces).equals(Buffer.concat(chunks))).toBe(true);
    // Cut to what it holds, and of whoever has it.
    expect([pieces.length, byteCount, heldBytes]).toEqual([3, 8_994, 8_994 + 3 * cost]);
    held.release();
    expect(1_000_000 - hold.left).toBe(heldBytes);
  });

  it('holds nothing twice while it grows', () => {
    const hold = new RequestHold(new HeldMemory(2 ** 30), 2 ** 30);
    const held = new HeldBytes(hold);
    const chunk = Buffer.alloc(100_000);
    for (let i = 1; i <= 200; i++) {
      held.push(chunk);
      expect(2 ** 30 - hold.left).toBeLessThan(i * chunk.length + 2 ** 20 + 40 * cost);
    }
    const { pieces, byteCount } = held.handOver();
    // A block is a mebibyte at most, and no piece is a copy of others.
    expect([byteCount, Math.max(...pieces.map(({ length }) => length))]).toEqual([20_000_000, 2 ** 20]);
  });

  it('counts what tiny values cost beside their bytes', () => {
    const hold = new RequestHold(new HeldMemory(100_000), 100_000);
    const values = Array.from({ length: 100 }, () => {
      const held = new HeldBytes(hold);
      held.push(Buffer.of(1));
      return held.handOver();
    });
    expect(hold.left).toBe(100_000 - 100 * (1 + cost));
    for (const { heldBytes } of values) hold.give(heldBytes);
    expect(hold.left).toBe(100_000);
  });

  it('fills what is left to the last byte, and gives all back when that is not enough', () => {
    const hold = new RequestHold(new HeldMemory(20_000), 10_000 + 3 * cost);
    const held = new HeldBytes(hold);
    for (let i = 0; i < 10; i++) held.push(Buffer.alloc(1_000, i));
    expect(hold.left).toBe(0);
    expect(() => held.push(Buffer.alloc(1))).toThrow(UnusableMetadataError);
    held.release();
    expect(hold.left).toBe(10_000 + 3 * cost);
  });
});
