import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { evaluate, rangeApplies, strongETag, weakETag } from './etag.js';

const etag = '"abc"';
const ifNoneMatch = (value: string, current = etag): string => evaluate({ 'if-none-match': value }, current);
const ifMatch = (value: string, current = etag): string => evaluate({ 'if-match': value }, current);

describe('strongETag (RFC 9110 8.8.3)', () => {
  it('is the same for the same facts, a quoted string, and not weak', () => {
    const made = strongETag(['blob-1', '1.2.840.10008.1.2.1', 'gzip']);
    expect(strongETag(['blob-1', '1.2.840.10008.1.2.1', 'gzip'])).toBe(made);
    expect(made).toMatch(/^"[A-Za-z0-9_-]{32}"$/);
  });

  it('is another for any other facts, also where they are the same characters', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '1', ':', 'é'), maxLength: 3 }), { maxLength: 4 }),
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '1', ':', 'é'), maxLength: 3 }), { maxLength: 4 }),
        (one, other) => {
          expect(strongETag(one) === strongETag(other)).toBe(JSON.stringify(one) === JSON.stringify(other));
        },
      ),
      {
        seed: 51,
        numRuns: 1000,
        examples: [
          [['ab'], ['a', 'b']],
          [['a', ''], ['a']],
          [['1:a'], ['a']],
        ],
      },
    );
  });

  it('is never the same as a weak one of the same facts, but for If-None-Match', () => {
    const [strong, weak] = [strongETag(['a']), weakETag(['a'])];
    expect([ifNoneMatch(weak, weak), ifNoneMatch(strong, weak)]).toEqual(['not-modified', 'not-modified']);
    expect([ifMatch(weak, weak), rangeApplies(weak, weak)]).toEqual(['failed', false]);
    expect(ifNoneMatch(weakETag(['b']), weak)).toBe('send');
  });

  it('is an entity tag that is found again', () => {
    const made = strongETag(['é"\\']);
    expect(ifNoneMatch(`"other", ${made}`, made)).toBe('not-modified');
    expect(rangeApplies(made, made)).toBe(true);
  });
});

describe('evaluate (RFC 9110 13.2.2)', () => {
  it.each([
    ['"abc"', 'not-modified'],
    ['*', 'not-modified'],
    [' * ', 'not-modified'],
    // Compared weakly (13.1.2): another coding's validator of the same content may come back as weak.
    ['W/"abc"', 'not-modified'],
    ['"x", "abc"', 'not-modified'],
    ['"x","y" , W/"abc"', 'not-modified'],
    // Empty elements of a list (5.6.1).
    [', ,"abc",', 'not-modified'],
    // Commas are characters of a tag.
    ['"a,b", "abc"', 'not-modified'],
    ['"ab"', 'send'],
    ['"abc,"', 'send'],
    ['"ABC"', 'send'],
    ['', 'send'],
    // What is no list of entity tags matches nothing: the client gets what it asked for.
    ['abc', 'send'],
    ['"abc', 'send'],
    ['w/"abc"', 'send'],
    ['"abc" "x"', 'send'],
    ['"x", *', 'send'],
  ])('If-None-Match: %s → %s', (value, expected) => {
    expect(ifNoneMatch(value)).toBe(expected);
  });

  it.each([
    ['"abc"', 'send'],
    ['*', 'send'],
    ['"x", "abc"', 'send'],
    ['"x"', 'failed'],
    // Compared strongly (13.1.1).
    ['W/"abc"', 'failed'],
    ['', 'failed'],
    ['abc', 'failed'],
  ])('If-Match: %s → %s', (value, expected) => {
    expect(ifMatch(value)).toBe(expected);
  });

  it('asks If-Match first (step 1), and sends where nothing is asked', () => {
    expect(evaluate({ 'if-match': '"x"', 'if-none-match': '"abc"' }, etag)).toBe('failed');
    expect(evaluate({ 'if-match': '"abc"', 'if-none-match': '"abc"' }, etag)).toBe('not-modified');
    expect(evaluate({}, etag)).toBe('send');
  });

  it('compares commas and characters beyond ASCII inside a tag', () => {
    expect(ifNoneMatch('"a,b"', '"a,b"')).toBe('not-modified');
    expect(ifNoneMatch('"é"', '"é"')).toBe('not-modified');
  });

  it('ends for any text', () => {
    const text = fc.string({ unit: fc.constantFrom(...'"W/,* \tab\\\u00e9'), maxLength: 30 });
    fc.assert(
      fc.property(text, (value) => {
        expect(['send', 'not-modified']).toContain(ifNoneMatch(value));
        expect(['send', 'failed']).toContain(ifMatch(value));
      }),
      { seed: 52, numRuns: 2000 },
    );
    // Long and hostile: linear.
    expect(ifNoneMatch('"a",'.repeat(100_000))).toBe('send');
    expect(ifNoneMatch(' \t'.repeat(100_000) + '"')).toBe('send');
  });
});

describe('rangeApplies (RFC 9110 13.1.5)', () => {
  it.each([
    [undefined, true],
    ['"abc"', true],
    [' "abc" ', true],
    ['"x"', false],
    ['W/"abc"', false],
    ['*', false],
    ['"abc", "x"', false],
    // A date would have to be the Last-Modified, and there is none.
    ['Thu, 26 Nov 2026 23:00:00 GMT', false],
    ['', false],
  ])('If-Range: %s → %s', (value, expected) => {
    expect(rangeApplies(value, etag)).toBe(expected);
  });

  it('never does where the representation has no strong entity tag', () => {
    expect(rangeApplies('W/"abc"', 'W/"abc"')).toBe(false);
    expect(rangeApplies('"abc"', 'W/"abc"')).toBe(false);
  });
});
