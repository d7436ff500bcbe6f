import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { atOnce, DicomParseError, parseJson } from './index.js';

/** Read from pieces of this size. */
function read(text: string | Uint8Array, size = Infinity): unknown {
  const bytes = Buffer.from(text);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return atOnce(parseJson(pieces));
}

describe('parseJson', () => {
  it('reads what JSON.parse reads, whatever the pieces it comes in', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(undefined, 2),
        (value, size, indent) => {
          const text = JSON.stringify(value, null, indent);
          expect(JSON.stringify(read(text, size))).toBe(JSON.stringify(JSON.parse(text)));
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });

  it('reads escapes wherever they are cut', () => {
    const text = String.raw`["\\\"","\\\\","\u00e9\ud83d\ude00\n","größer 山"]`;
    for (let size = 1; size <= text.length; size++) expect(read(text, size)).toEqual(JSON.parse(text));
  });

  it.each([
    '{"a":1,"a":1}',
    '{"b":{"a":1,"b":2,"a":[]}}',
    String.raw`{"a":1,"\u0061":2}`,
    '{"__proto__":1,"__proto__":2}',
  ])('refuses a member that is there twice: %s', (text) => {
    expect(() => read(text)).toThrow(DicomParseError);
  });

  const broken = [
    '',
    '{',
    '[1,]',
    '{"a"}',
    '{"a":1,}',
    '[1 2]',
    '"a',
    '"\\u12"',
    '01',
    '1.',
    'nul',
    'NaN',
    '[] []',
    '"\n"',
  ];
  it.each(broken)('refuses %j', (text) => {
    expect(() => read(text)).toThrow(DicomParseError);
  });

  it('refuses what is no UTF-8, and what nests as deep as no dataset', () => {
    expect(() => read(Buffer.from([0x22, 0xff, 0x22]))).toThrow(DicomParseError);
    expect(() => read('['.repeat(10_000))).toThrow(DicomParseError);
  });

  it('looks at a text of escapes alone once', () => {
    const escapes = String.raw`\n`.repeat(500_000);
    const begun = performance.now();
    expect(read(`"${escapes}"`, 1024 * 1024)).toHaveLength(500_000);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
