import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { chooseCoding, type ContentCoding, contentCodingOf, takesCoding } from './encoding.js';
import { NotAcceptableError } from './errors/door.js';

describe('chooseCoding (RFC 9110 12.5.3), of what is had in gzip or, less gladly, br', () => {
  it.each([
    // Who says nothing, or wants none, gets none.
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['deflate, zstd', 'identity'],
    // What is named comes before what is not.
    ['gzip', 'gzip'],
    ['gzip;q=0.001', 'gzip'],
    ['br', 'br'],
    ['x-gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['deflate, gzip;q=0.3', 'gzip'],
    // Browsers: all the same to them, and the server has its own choice.
    ['gzip, deflate, br, zstd', 'gzip'],
    ['br, gzip', 'gzip'],
    // By weight.
    ['gzip;q=0.8, br', 'br'],
    ['br;q=0.8, gzip;q=0.9', 'gzip'],
    ['gzip;q=0.5, identity', 'identity'],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['gzip ; q=0.2 , br;q=0.3', 'br'],
    // "*" is what is not named, identity too.
    ['*', 'gzip'],
    ['gzip;q=0, *', 'br'],
    ['*;q=0.1, identity;q=0.2', 'identity'],
    ['gzip;q=0.2, *;q=0.1', 'gzip'],
    ['gzip;q=0, br;q=0, *;q=0.5', 'identity'],
    // Refused.
    ['gzip;q=0', 'identity'],
    ['gzip;q=0.000, br;q=0', 'identity'],
    ['*;q=0, gzip', 'gzip'],
    ['identity;q=0, *', 'gzip'],
    ['identity;q=0, br', 'br'],
    ['*;q=0, identity', 'identity'],
    // What cannot be read is named, without a weight.
    ['gzip;q=high', 'gzip'],
    ['gzip;level=9, br;q=0.1', 'gzip'],
    ['gz ip, br', 'br'],
    [', ,gzip,', 'gzip'],
  ])('%s → %s', (header, expected) => {
    expect(contentCodingOf(header)).toBe(expected);
  });

  it.each(['identity;q=0', '*;q=0', 'deflate, *;q=0', 'identity;q=0, gzip;q=0', 'identity;q=0, deflate'])(
    'is none for %s (406)',
    (header) => {
      expect(() => contentCodingOf(header)).toThrow(NotAcceptableError);
    },
  );

  it('has no coding but identity for what can be had in no other', () => {
    expect(chooseCoding('gzip, br', [])).toBe('identity');
    expect(chooseCoding('*', [])).toBe('identity');
    expect(() => chooseCoding('*;q=0', [])).toThrow(NotAcceptableError);
  });

  it('prefers as it is told where the client does not', () => {
    expect(chooseCoding('gzip, br', ['br', 'gzip'])).toBe('br');
    expect(chooseCoding('*', ['identity', 'gzip'])).toBe('identity');
  });

  it('gives nothing that was refused, for any header', () => {
    const coding = fc.constantFrom('gzip', 'br', 'identity', '*', 'deflate', 'x-gzip');
    const weight = fc.constantFrom('', ';q=0', ';q=0.5', ';q=1');
    const header = fc.uniqueArray(fc.tuple(coding, weight), {
      selector: ([name]) => name.replace('x-', ''),
      maxLength: 5,
    });
    fc.assert(
      fc.property(header, fc.subarray<ContentCoding>(['gzip', 'br']), (elements, offered) => {
        const text = elements.map((one) => one.join('')).join(', ');
        const weightOf = (name: string): string | undefined =>
          elements.find(([one]) => one.replace('x-', '') === name)?.[1];
        const isRefused = (name: string): boolean => (weightOf(name) ?? weightOf('*')) === ';q=0';
        if (
          isRefused('identity') &&
          offered.every((one) => isRefused(one) || (weightOf(one) ?? weightOf('*')) === undefined)
        ) {
          expect(() => chooseCoding(text, offered)).toThrow(NotAcceptableError);
          return;
        }
        const chosen = chooseCoding(text, offered);
        expect([...offered, 'identity']).toContain(chosen);
        expect(isRefused(chosen)).toBe(false);
      }),
      { seed: 54, numRuns: 2000 },
    );
  });
});

describe('takesCoding, of what is sent without one to who takes none', () => {
  it.each([
    ['gzip', true],
    ['*', true],
    ['br;q=0, gzip;q=0.1', true],
    ['gzip;q=0, *', false],
    ['*;q=0', false],
    ['br', false],
    ['', false],
    [undefined, false],
  ])('%j: %j', (header, takes) => {
    expect(takesCoding(header, 'gzip')).toBe(takes);
  });
});
