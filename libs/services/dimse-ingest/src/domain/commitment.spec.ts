import { FailureReason, type SopReference } from '@callosum/dimse';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { assertTaken, digestOfReferences, judgeCommitment, pauseAfter } from './commitment.js';

const seed = 20261126;
const reference = fc.record({
  sopClassUid: fc.constantFrom('1.2.1', '1.2.2', '1.2.3'),
  sopInstanceUid: fc.integer({ min: 1, max: 9 }).map((n) => `1.9.${n}`),
});
const kept = fc
  .array(reference, { maxLength: 20 })
  .map((all) =>
    all.reduce(
      (map, one) => map.set(one.sopInstanceUid, new Set([...(map.get(one.sopInstanceUid) ?? []), one.sopClassUid])),
      new Map<string, Set<string>>(),
    ),
  );
const keyOf = ({ sopClassUid, sopInstanceUid }: SopReference): string => `${sopInstanceUid} ${sopClassUid}`;

describe('a commitment', () => {
  it('answers each reference once, and commits to just what is kept under its class', () => {
    fc.assert(
      fc.property(fc.array(reference, { maxLength: 30 }), kept, (references, archive) => {
        const { committed, failed } = judgeCommitment({ transactionUid: '1', references, isDuplicate: false }, archive);
        expect([...committed, ...failed].map(keyOf).sort()).toEqual([...new Set(references.map(keyOf))].sort());
        for (const one of committed) expect(archive.get(one.sopInstanceUid)?.has(one.sopClassUid)).toBe(true);
        for (const one of failed)
          expect(one.failureReason).toBe(
            archive.has(one.sopInstanceUid) ? FailureReason.ClassInstanceConflict : FailureReason.NoSuchObjectInstance,
          );
      }),
      { seed },
    );
  });

  it('commits to nothing under a Transaction UID that is another one’s', () => {
    fc.assert(
      fc.property(fc.array(reference, { minLength: 1, maxLength: 30 }), kept, (references, archive) => {
        const { committed, failed } = judgeCommitment({ transactionUid: '1', references, isDuplicate: true }, archive);
        expect(committed).toEqual([]);
        expect(new Set(failed.map(({ failureReason }) => failureReason))).toEqual(
          new Set([FailureReason.DuplicateTransactionUid]),
        );
      }),
      { seed },
    );
  });

  it('is the same request in whatever order, and another one with other references', () => {
    const [a, b] = [
      { sopClassUid: '1.2.1', sopInstanceUid: '1.9.1' },
      { sopClassUid: '1.2.1', sopInstanceUid: '1.9.2' },
    ];
    expect(digestOfReferences([a, b])).toBe(digestOfReferences([b, a]));
    expect(digestOfReferences([a])).not.toBe(digestOfReferences([a, b]));
    expect(digestOfReferences([a])).not.toBe(digestOfReferences([{ ...a, sopClassUid: '1.2.2' }]));
  });

  it('is tried again after pauses that grow, to a quarter of an hour', () => {
    const pauses = Array.from({ length: 12 }, (_, attempts) => pauseAfter(attempts + 1));
    expect(pauses.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(pauses.at(-1)).toBe(900_000);
    expect(pauses).toEqual([...pauses].sort((x, y) => x - y));
  });

  it('is delivered by success and warnings only', () => {
    for (const status of [0x0000, 0x0001, 0x0107, 0xb000]) expect(() => assertTaken(status)).not.toThrow();
    for (const status of [0x0110, 0x0211, 0xa700])
      expect(() => assertTaken(status)).toThrow(
        expect.objectContaining({ code: 'dimse-ingest.report-refused' }) as Error,
      );
  });
});
