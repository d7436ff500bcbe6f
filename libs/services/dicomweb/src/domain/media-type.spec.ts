import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors.js';
import { parseMediaTypes } from './media-type.js';

describe('parseMediaTypes', () => {
  it('reads types and parameters, quoted or not, names in any case', () => {
    const [media] = parseMediaTypes('Multipart/Related; TYPE="application/dicom"; boundary=a-b');
    expect(media?.type).toBe('multipart/related');
    expect(Object.fromEntries(media?.parameters ?? [])).toEqual({ type: 'application/dicom', boundary: 'a-b' });
    expect(parseMediaTypes('multipart/related; type=application/dicom; boundary=x')[0]?.parameters.get('type')).toBe(
      'application/dicom',
    );
  });

  it('keeps separators and escapes inside quotes', () => {
    expect(
      parseMediaTypes('a/b; x="1;2,3\\"4"; y=5, c/d').map(({ type, parameters }) => [
        type,
        parameters.get('x'),
        parameters.get('y'),
      ]),
    ).toEqual([
      ['a/b', '1;2,3"4', '5'],
      ['c/d', undefined, undefined],
    ]);
  });

  it('reads weights; a weight that is none counts as 1', () => {
    expect(parseMediaTypes('a/b;q=0.5, c/d;q=0, e/f;q=7, g/h;q=x').map(({ quality }) => quality)).toEqual([
      0.5, 0, 1, 1,
    ]);
  });

  it('allows empty elements and a trailing semicolon', () => {
    expect(parseMediaTypes(', a/b;, ,c/d; ').map(({ type }) => type)).toEqual(['a/b', 'c/d']);
    expect(parseMediaTypes('')).toEqual([]);
  });

  it.each(['a', 'a/', '/b', 'a/b c', 'a/b; x="1', 'a/b; =1', 'a/b; x', 'a b/c', `a/${'b'.repeat(5000)}`])(
    'refuses %j',
    (header) => {
      expect(() => parseMediaTypes(header)).toThrow(BadRequestError);
    },
  );

  it('ends for any text: types, or a BadRequestError', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab/;,="\\ \tq*.1'), maxLength: 40 }), (header) => {
        try {
          for (const { type, quality } of parseMediaTypes(header)) {
            expect(type).toMatch(/^[^/\s]+\/[^/\s]+$/);
            expect(quality).toBeGreaterThanOrEqual(0);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BadRequestError);
        }
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});
