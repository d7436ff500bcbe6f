import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from './errors/door.js';
import { JsonDatasetSplitter, type JsonLimits } from './store-json-splitter.js';

const limits: JsonLimits = { bytesMax: 1_000_000, depthMax: 64, valuesMax: 10_000 };

function split(text: string | Uint8Array, size = 7, bounds = limits): string[] {
  const bytes = Buffer.from(text);
  const splitter = new JsonDatasetSplitter(bounds);
  const found: string[] = [];
  const begun: Buffer[] = [];
  // One buffer for all chunks, as a socket that reads into the same memory again.
  const room = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(room, 0, at, at + size);
    for (const { bytes: piece, isLast } of splitter.push(room.subarray(0, length))) {
      begun.push(Buffer.from(piece));
      if (isLast) found.push(Buffer.concat(begun.splice(0)).toString());
    }
  }
  splitter.end();
  return found;
}

describe('JsonDatasetSplitter', () => {
  it('gives the texts of any datasets, whatever the chunks they come in', () => {
    const dataset = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(
        fc.array(dataset, { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(undefined, 2),
        (datasets, size, indent) => {
          const found = split(JSON.stringify(datasets, null, indent), size);
          expect(found.map((one) => JSON.parse(one) as unknown)).toEqual(JSON.parse(JSON.stringify(datasets)));
        },
      ),
      { seed: 6, numRuns: 300 },
    );
  });

  it.each([
    ['a dataset without an array', '{"a":{}}', ['{"a":{}}']],
    ['a byte order mark before it', '\ufeff[{}]', ['{}']],
    ['blanks everywhere', ' [ {} ,\r\n\t{} ] \n', ['{}', '{}']],
    ['no dataset', '[]', []],
    [
      'braces, brackets and escaped quotes in strings',
      '[{"a":"}]\\"{["},{"b":"\\\\"}]',
      ['{"a":"}]\\"{["}', '{"b":"\\\\"}'],
    ],
  ])('takes %s', (_what, text, wanted) => {
    for (let size = 1; size < 9; size++) expect(split(text, size)).toEqual(wanted);
  });

  it.each([
    ['nothing', ''],
    ['what is no JSON', 'PS3.18'],
    ['a string', '"[{}]"'],
    ['an array that does not end', '[{}'],
    ['a dataset that does not end', '[{"a":'],
    ['a string that does not end', '[{"a":"}]'],
    ['no comma between two', '[{}{}]'],
    ['a comma before the first', '[,{}]'],
    ['a comma behind the last', '[{},]'],
    ['something else than datasets in the array', '[1]'],
    ['an array in the array', '[[{}]]'],
    ['something behind the array', '[{}] {}'],
    ['two datasets without an array', '{}{}'],
    ['half a byte order mark', '\u00ef[{}]'],
  ])('refuses %s', (_what, text) => {
    expect(() => split(text)).toThrow(BadRequestError);
  });

  it('stops at a bomb of brackets before it is whole', () => {
    const splitter = new JsonDatasetSplitter(limits);
    expect(() => [...splitter.push(Buffer.from(`[{"a":${'['.repeat(10_000)}`))]).toThrow(BadRequestError);
  });

  it('stops at a dataset of too many values, and at too much text', () => {
    expect(() => split(`[{"a":[${'1,'.repeat(10_000)}1]}]`, 5_000)).toThrow(TooLargeError);
    expect(() => split(`[{"a":"${'x'.repeat(1_000)}"}]`, 7, { ...limits, bytesMax: 500 })).toThrow(TooLargeError);
  });

  it('gives each piece as it comes, and copies none', () => {
    const splitter = new JsonDatasetSplitter(limits);
    const given = ['[{"a":', '"bc"', '},{', '}]'].map((text) => {
      const chunk = new TextEncoder().encode(text);
      const pieces = [...splitter.push(chunk)];
      expect(pieces.every(({ bytes }) => bytes.buffer === chunk.buffer)).toBe(true);
      return pieces.map(({ bytes, isLast }) => [Buffer.from(bytes).toString(), isLast]);
    });
    expect(given).toEqual([
      [['{"a":', false]],
      [['"bc"', false]],
      [
        ['}', true],
        ['{', false],
      ],
      [['}', true]],
    ]);
  });

  it('counts values for each dataset', () => {
    const one = `{"a":[${'1,'.repeat(6_000)}1]}`;
    expect(split(`[${one},${one},${one}]`, 4_096)).toHaveLength(3);
  });
});
