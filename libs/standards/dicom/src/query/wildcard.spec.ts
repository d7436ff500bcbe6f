import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { matchesWildcard } from './wildcard.js';

describe('wildcards', () => {
  it.each([
    ['a*', 'abc', true],
    ['*c', 'abc', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['*b*', 'abc', true],
    ['**', '', true],
    ['?', '', false],
    ['?', '𠂉', true],
    ['a.c', 'abc', false],
    ['[a-z]*', 'abc', false],
    ['(a+)+$', 'aaaa', false],
    ['*a*b*c', 'xaxbxcxc', true],
  ])('%s describes %s: %s', (pattern, text, expected) => {
    expect(matchesWildcard(pattern, text)).toBe(expected);
  });

  it('describe what a regular expression of the same meaning does', () => {
    const characters = (...of: string[]) =>
      fc.array(fc.constantFrom(...of), { maxLength: 8 }).map((all) => all.join(''));
    fc.assert(
      fc.property(characters('a', 'b', '𠂉', '*', '?'), characters('a', 'b', '𠂉'), (pattern, text) => {
        const same = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'u');
        expect(matchesWildcard(pattern, text)).toBe(same.test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([30, 31, 32, 33, 63, 64, 65, 400])('of %i characters are as long as what they describe', (length) => {
    const text = 'ab'.repeat(200).slice(0, length);
    for (const pattern of ['?'.repeat(length), `${text.slice(0, -1)}?`, `?*${text.slice(1)}`, `*${text}*`]) {
      expect(matchesWildcard(pattern, text)).toBe(true);
      expect(matchesWildcard(pattern, text.slice(0, -1))).toBe(false);
    }
    expect(matchesWildcard('?'.repeat(length), `${text}a`)).toBe(false);
    expect(matchesWildcard(`?*${text}`, `b${text}${text}`)).toBe(true);
  });

  it.each([
    ['repeats what the text does', `*${'a'.repeat(398)}b`],
    ['has many asterisks', `${'*a'.repeat(199)}*b`],
  ])('cost one reading of a text of megabytes where the pattern %s', (_, pattern) => {
    const text = 'a'.repeat(2_000_000);
    const msOf = (asked: string): number => {
      const startedAt = performance.now();
      expect(matchesWildcard(asked, text)).toBe(false);
      expect(matchesWildcard(asked, `${text}b`)).toBe(true);
      return performance.now() - startedAt;
    };
    msOf('*ab');
    // Side by side: 32 characters of the pattern are one step, so it is some three times; one by one it would be hundreds.
    expect(msOf(pattern) / msOf('*ab')).toBeLessThan(40);
  });
});
