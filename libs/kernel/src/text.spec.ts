import { describe, expect, it } from 'vitest';

import { withoutEnd, withoutStart } from './text.js';

describe('text without characters at an end of it', () => {
  it.each([
    ['', '', ''],
    ['   ', '', ''],
    ['A B \0 ', 'A B', 'A B \0 '],
    [' \0A', ' \0A', 'A'],
    ['A', 'A', 'A'],
  ])('%j is %j or %j', (text, end, start) => {
    expect(withoutEnd(text, ' \0')).toBe(end);
    expect(withoutStart(text, ' \0')).toBe(start);
  });

  // By a regular expression each takes minutes.
  it('is found in one look, however long a run inside is', { timeout: 20_000 }, () => {
    const text = `x${' '.repeat(4_000_000)}x`;
    expect(withoutEnd(text, ' ')).toBe(text);
    expect(withoutStart(text, ' ')).toBe(text);
  });
});
