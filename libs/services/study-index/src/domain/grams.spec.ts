import { describe, expect, it } from 'vitest';

import { gramsOf, literalsOf } from './grams.js';

describe('grams', () => {
  it.each([
    ['', []],
    ['ab', []],
    ['abc', ['abc']],
    ['abcab', ['abc', 'bca', 'cab']],
    ['aaaa', ['aaa']],
    // Characters and not halves of them.
    ['𠮷野家', ['𠮷野家']],
    ['𠮷野', []],
  ])('of %j are %j', (text, grams) => {
    expect(gramsOf([text])).toEqual(grams);
  });

  it('of several texts are those of all, and none reaches from one into another', () => {
    expect(gramsOf(['abc', 'cd', 'bcde'])).toEqual(['abc', 'bcd', 'cde']);
  });

  it('are none that the index cannot have', () => {
    expect(gramsOf(['ab\ncde'])).toEqual(['cde']);
  });

  it('are not more than help', () => {
    expect(gramsOf(['abcdefghijklmnopqrstuvwxyz'])).toHaveLength(16);
  });
});

describe('literals of a pattern', () => {
  it.each([
    ['abc', ['abc']],
    ['%abc%', ['', 'abc', '']],
    ['a_c%d', ['a', 'c', 'd']],
    ['100\\%\\_\\\\%', ['100%_\\', '']],
    ['', ['']],
  ])('%j are %j', (pattern, literals) => {
    expect(literalsOf(pattern)).toEqual(literals);
  });
});
