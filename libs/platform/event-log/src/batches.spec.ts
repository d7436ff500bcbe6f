import { describe, expect, it } from 'vitest';

import { inBatches } from './batches.js';
import { assertEnvelope, batchBytesMax, fitsEnvelope, recordBytes, recordBytesMax } from './envelope.js';
import { InvalidEventError } from './errors.js';
import { fact, revisionOf } from './test-support/collect.js';

const of = (key: string, revision: number, bytes: number) =>
  fact(key, revision, { value: JSON.stringify({ revision, pad: 'x'.repeat(bytes) }) });

describe('what is sent at once', () => {
  it('is one batch while it fits', () => {
    expect(inBatches([])).toEqual([]);
    const small = Array.from({ length: 500 }, (_, i) => of(`k${i}`, i, 1_000));
    expect(inBatches(small)).toEqual([small]);
  });

  it('is cut below what a topic takes, and keeps every event in its place', () => {
    const events = Array.from({ length: 40 }, (_, i) => of(i % 2 ? 'a' : 'b', i, 60_000));
    const batches = inBatches(events);
    expect(batches.length).toBe(3);
    for (const batch of batches) {
      expect(batch.reduce((sum, event) => sum + recordBytes(event), 0)).toBeLessThanOrEqual(batchBytesMax);
    }
    expect(batches.flat().map(revisionOf)).toEqual(events.map(revisionOf));
  });

  it('never holds two large events, and holds one', () => {
    const events = [of('k', 1, 600_000), of('k', 2, 600_000), of('k', 3, 10), of('k', 4, 899_000)];
    expect(inBatches(events).map((batch) => batch.map(revisionOf))).toEqual([[1], [2, 3], [4]]);
  });

  it('counts key, attributes and bytes, not characters', () => {
    const bare = recordBytes(of('k', 1, 10));
    expect(recordBytes(of('é'.repeat(50), 1, 10))).toBe(bare + 99);
    expect(recordBytes({ ...of('k', 1, 10), site: 'default'.repeat(2) })).toBe(bare + 7);
    expect(recordBytes({ ...of('k', 1, 10), causationId: 'x'.repeat(36) })).toBeGreaterThan(bare + 36);
  });
});

describe('an event that no topic would take', () => {
  it('is refused where it is made, for its value or for what stands beside it', () => {
    expect(batchBytesMax).toBeLessThan(recordBytesMax);
    expect(fitsEnvelope(of('k', 1, 890_000))).toBe(true);
    expect(() => assertEnvelope(of('k', 1, 900_001))).toThrow(InvalidEventError);
    expect(() => assertEnvelope(of('k'.repeat(150_000), 1, 890_000))).toThrow(/with its key and attributes/);
  });
});
