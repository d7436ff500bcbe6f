import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isInRange, ranked, rankedOffers, readAccept, type Representation, weightOf } from './negotiate.js';

const single = (type: string): Representation => ({ type, multipart: false });
const parts = (type: string): Representation => ({ type, multipart: true });
const inSyntax = (type: string, transferSyntaxUid: string, isDefaultSyntax = false): Representation => ({
  type,
  multipart: false,
  transferSyntaxUid,
  isDefaultSyntax,
});
const weight = (header: string, representation: Representation): number =>
  weightOf(readAccept(header, undefined), representation);

describe('isInRange (RFC 9110 12.5.1)', () => {
  it.each([
    ['*/*', 'image/jp2', true],
    ['image/*', 'image/jp2', true],
    ['image/jp2', 'image/jp2', true],
    ['image/jp', 'image/jp2', false],
    ['image/*', 'imagery/jp2', false],
    ['*/jp2', 'image/jp2', false],
  ])('%s and %s: %s', (range, type, expected) => {
    expect(isInRange(range, type)).toBe(expected);
  });
});

describe('weightOf', () => {
  /** The example of RFC 9110 12.5.1, less the parameters of text/plain, which no resource here has. */
  const example = 'text/*;q=0.3, text/plain;q=0.7, */*;q=0.5';

  it.each([
    ['text/plain', 0.7],
    ['text/html', 0.3],
    ['image/jpeg', 0.5],
  ])(`${example}: %s has %s`, (type, expected) => {
    expect(weight(example, single(type))).toBe(expected);
  });

  it.each([
    // Each range by itself, from the widest to the closest.
    ['*/*;q=0.5', 0.5],
    ['multipart/*;q=0.5', 0.5],
    ['multipart/related;q=0.5', 0.5],
    ['multipart/related; type="*/*";q=0.5', 0.5],
    ['multipart/related; type="image/*";q=0.5', 0.5],
    ['multipart/related; type="image/jls";q=0.5', 0.5],
    ['multipart/related; type="IMAGE/JLS";q=0.5', 0.5],
    ['multipart/mixed;q=0.5', 0],
    ['multipart/related; type="image/jp2";q=0.5', 0],
    ['image/jls;q=0.5', 0],
    // The closer one counts, wherever it stands.
    ['*/*;q=0.1, multipart/*;q=0.2', 0.2],
    ['multipart/*;q=0.1, multipart/related;q=0.2', 0.2],
    ['multipart/related;q=0.2, multipart/*;q=0.1', 0.2],
    ['multipart/related; type="image/*";q=0.2, multipart/related;q=0.9', 0.2],
    ['multipart/related; type="image/jls";q=0.2, multipart/related; type="image/*";q=0.9', 0.2],
    // Of two that are as close, the better.
    ['multipart/related;q=0.2, multipart/related;q=0.4', 0.4],
    // A part that is refused by name is not sent in a wider packaging (PS3.18 8.7.8.1) …
    ['image/jls;q=0, */*', 0],
    ['image/jls;q=0, multipart/related', 0],
    ['image/*;q=0, */*', 0],
    // … but where the packaging names it.
    ['image/jls;q=0, multipart/related; type="image/jls"', 1],
    ['image/*;q=0, image/jls, */*;q=0.3', 0.3],
    // A weight of the part that is none of a refusal says nothing of the packaging.
    ['image/jls;q=0.1, */*;q=0.8', 0.8],
  ])('%s: parts in JPEG-LS have %s', (header, expected) => {
    expect(weight(header, parts('image/jls'))).toBe(expected);
  });

  it.each([
    ['image/jp2;q=0.5', 'lossless', true, 0.5],
    ['image/jp2;q=0.5', 'lossy', false, 0.5],
    ['image/jp2; transfer-syntax=lossy;q=0.5', 'lossy', false, 0.5],
    ['image/jp2; transfer-syntax=lossy;q=0.5', 'lossless', true, 0],
    ['image/jp2; transfer-syntax=*;q=0.5', 'lossy', false, 0.5],
    // A syntax by name, then any, then none — which is the name of the default one (PS3.18 8.7.3).
    ['image/jp2; transfer-syntax=*;q=0.2, image/jp2; transfer-syntax=lossy;q=0.1', 'lossy', false, 0.1],
    ['image/jp2;q=0.2, image/jp2; transfer-syntax=*;q=0.1', 'lossy', false, 0.1],
    ['image/jp2;q=0.2, image/jp2; transfer-syntax=*;q=0.1', 'lossless', true, 0.2],
    ['image/jp2;q=0, image/jp2; transfer-syntax=lossy', 'lossy', false, 1],
    // The type first, then the syntax.
    ['image/*; transfer-syntax=lossy;q=0.9, image/jp2;q=0.1', 'lossy', false, 0.1],
  ])('%s: %s (default: %s) has %s', (header, syntax, isDefault, expected) => {
    expect(weight(header, inSyntax('image/jp2', syntax, isDefault))).toBe(expected);
  });

  it('asks no transfer syntax of what has none', () => {
    expect(weight('application/dicom+json; transfer-syntax=*', single('application/dicom+json'))).toBe(1);
  });
});

describe('rankedOffers', () => {
  const [json, xml, png] = [single('application/dicom+json'), parts('application/dicom+xml'), single('image/png')];
  const offered = [json, xml, png];
  const best = (header: string, query?: string) => rankedOffers(readAccept(header, query), offered);

  it('lets the server say what a wildcard means, once', () => {
    expect(best('*/*')).toEqual([json]);
    expect(best('image/*, */*')).toEqual([png, json]);
    expect(best('*/*, */*;q=0.5, application/*')).toEqual([json]);
  });

  it('takes the next where what a wildcard means is refused', () => {
    expect(best('application/dicom+json;q=0, */*')).toEqual([xml]);
    expect(best('application/*;q=0, */*')).toEqual([png]);
  });

  it('has nothing of the header before anything of the query parameter (PS3.18 8.7.8.1)', () => {
    expect(best('application/dicom+json', 'image/png;q=0.1')).toEqual([png, json]);
    expect(best('image/png;q=0', 'image/png')).toEqual([png]);
    expect(best('image/png', 'text/html')).toEqual([png]);
  });
});

describe('ranked', () => {
  it('is in falling weight, without what is refused, for any ranges', () => {
    const types = ['a/x', 'a/y', 'b/x', 'b/y'];
    const range = fc
      .tuple(fc.constantFrom('*/*', 'a/*', 'b/*', ...types), fc.constantFrom('', ';q=0', ';q=0.3', ';q=0.7'))
      .map((one) => one.join(''));
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 6 }), (ranges) => {
        const accepted = readAccept(ranges.join(','), undefined);
        const found = ranked(accepted, ({ type }) =>
          types.filter((one) => isInRange(type, one)).map((one) => [single(one)]),
        );
        const weights = found.map((one) => weightOf(accepted, one));
        expect(weights).toEqual([...weights].sort((a, b) => b - a));
        // Every form of those that are offered one by one is there, or is refused.
        for (const type of types) {
          const isFound = found.some((one) => one.type === type);
          const isMeant = accepted.some((one) => one.quality > 0 && isInRange(one.type, type));
          expect(isFound).toBe(isMeant && weightOf(accepted, single(type)) > 0);
        }
      }),
      { seed: 61, numRuns: 1000 },
    );
  });
});
