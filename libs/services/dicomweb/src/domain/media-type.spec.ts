import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { parseMediaRanges, parseMediaTypes, readWeight } from './media-type.js';

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

describe('parseMediaRanges', () => {
  const types = (header: string) => parseMediaRanges(header).map(({ type, quality }) => [type, quality]);

  it('reads what the HttpURLConnection of Java sends where nobody says otherwise', () => {
    expect(types('text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2')).toEqual([
      ['text/html', 1],
      ['image/gif', 1],
      ['image/jpeg', 1],
      ['*/*', 0.2],
      ['*/*', 0.2],
    ]);
    expect(types('*')).toEqual([['*/*', 1]]);
    expect(() => parseMediaTypes('*')).toThrow(BadRequestError);
  });

  it.each([
    ['a/b, nothing, c/d;q=0.5', ['a/b', 'c/d']],
    ['a/b c, c/d', ['c/d']],
    ['a/b; x="1, 2", c/d', ['a/b', 'c/d']],
    ['a/b; x="1\\", 2", c/d', ['a/b', 'c/d']],
    ['c/d, a/b; x="1, e/f', ['c/d']],
    ['c/d, a/b; x="1\\', ['c/d']],
    ['**, */, /*, c/d', ['c/d']],
    ['', []],
    [' , ,', []],
  ])('leaves out what cannot be read: %s', (header, expected) => {
    expect(types(header).map(([type]) => type)).toEqual(expected);
  });

  it.each(['a', 'a/b c, d', 'multipart/related; type="application/dicom', `a/b, ${'c'.repeat(5_000)}`])(
    'refuses what cannot be read at all: %.40s',
    (header) => {
      expect(() => parseMediaRanges(header)).toThrow(BadRequestError);
    },
  );

  it('reads what the strict reading does, for any text', () => {
    const texts = fc.string({ unit: fc.constantFrom(...'ab/;,="\\ \tq*.1'), maxLength: 40 });
    fc.assert(
      fc.property(texts, (header) => {
        let strict: unknown;
        try {
          strict = parseMediaTypes(header);
        } catch {
          return;
        }
        expect(parseMediaRanges(header)).toEqual(strict);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe('readWeight (RFC 9110 12.4.2)', () => {
  it.each([
    [undefined, 1],
    ['', 1],
    ['0', 0],
    ['0.000', 0],
    ['0.25', 0.25],
    ['1.000', 1],
    ['1.1', 1],
    ['-1', 1],
    ['high', 1],
  ])('%s is %s', (text, weight) => {
    expect(readWeight(text)).toBe(weight);
  });
});
