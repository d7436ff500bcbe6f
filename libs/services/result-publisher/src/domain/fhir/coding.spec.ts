import { describe, expect, it } from 'vitest';

import { bodySite } from './coding.js';
import { narrative } from './narrative.js';

const site = (meaning: string, laterality: string) =>
  bodySite({ scheme: 'SCT', value: '39607008', meaning }, laterality).text;

describe('a body site with its side', () => {
  it.each([
    ['Lung', 'L', 'Lung, left'],
    ['Right lung', 'R', 'Right lung'],
    ['Structure of right lung', 'R', 'Structure of right lung'],
    ['Bright spot', 'R', 'Bright spot, right'],
    ['Lung', '', 'Lung'],
  ])('%s %s is called "%s"', (meaning, laterality, text) => expect(site(meaning, laterality)).toBe(text));
});

it('a narrative leads where it says, whatever characters are in the address', () => {
  const { div } = narrative('a < b', { text: 'A & B', href: 'https://x.example/?a="1"&b=2' });
  expect(div).toBe(
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &lt; b</p><p><a href="https://x.example/?a=&quot;1&quot;&amp;b=2">A &amp; B</a></p></div>',
  );
});
