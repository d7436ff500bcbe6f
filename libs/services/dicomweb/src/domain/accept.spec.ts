import { describe, expect, it } from 'vitest';

import { datasetChoices, readAccept, storeAnswerType } from './accept.js';
import { BadRequestError } from './errors/door.js';

const accepted = (header: string | undefined, query?: string) => readAccept(header, query);

describe('readAccept', () => {
  it.each([undefined, '', ' , ,'])('takes anything when nothing is said: %j (RFC 9110 12.5.1)', (header) => {
    expect(accepted(header)).toEqual([
      { type: '*/*', partType: undefined, transferSyntax: undefined, quality: 1, fromQuery: false },
    ]);
  });

  it('keeps what is refused, in its place: it may take from what a wider range gives', () => {
    const types = accepted('a/one;q=0.2, a/two, a/three;q=0').map(({ type, quality }) => [type, quality]);
    expect(types).toEqual([
      ['a/one', 0.2],
      ['a/two', 1],
      ['a/three', 0],
    ]);
  });

  it('has the query parameter before the header (PS3.18 8.7.8.1)', () => {
    expect(
      accepted('application/json', 'application/dicom+json').map(({ type, fromQuery }) => [type, fromQuery]),
    ).toEqual([
      ['application/dicom+json', true],
      ['application/json', false],
    ]);
  });

  it('has each range once: the best of those that are equal, where it stood first as one that is taken', () => {
    const types = accepted('a/x;q=0, b/y;q=0.3, B/Y;q=0.7, c/z, b/y, c/z;q=0, a/x;q=0.1').map((one) => [
      one.type,
      one.quality,
    ]);
    expect(types).toEqual([
      ['b/y', 1],
      ['c/z', 1],
      ['a/x', 0.1],
    ]);
    const other = 'multipart/related; type="a/x", multipart/related; type="A/X", multipart/related; transfer-syntax=1';
    expect(accepted(other)).toHaveLength(2);
  });

  it('takes so many different ranges, and no more: each is weighed against each', () => {
    const ranges = Array.from({ length: 65 }, (_, i) => `a/x${String(i)}`);
    expect(accepted(ranges.slice(1).join())).toHaveLength(64);
    expect(() => accepted(ranges.join())).toThrow(BadRequestError);
    expect(() => accepted('*/*', ranges.join())).toThrow(BadRequestError);
    expect(accepted('*/*,'.repeat(1_000))).toHaveLength(1);
  });

  it('refuses what is no list of media ranges, in either of them', () => {
    expect(() => accepted('a')).toThrow(BadRequestError);
    expect(() => accepted('*/*', 'a/b c')).toThrow(BadRequestError);
  });
});

describe('storeAnswerType (PS3.18 10.5.3.3)', () => {
  const [json, xml] = ['application/dicom+json', 'application/dicom+xml'];

  it.each([
    ['*/*', json],
    ['application/*', json],
    ['application/json', json],
    ['application/dicom+json', json],
    ['application/dicom+json; charset=utf-8', json],
    ['text/html, application/dicom+json;q=0.1', json],
    ['application/json;q=0, application/dicom+json', json],
    ['*/*;q=0, application/dicom+json', json],
    ['text/html;q=0, */*;q=0.1', json],
    ['application/dicom+xml', xml],
    ['application/dicom+xml;q=0.5, application/dicom+json', json],
    ['application/dicom+json;q=0.5, application/dicom+xml', xml],
    ['application/dicom+json;q=0, */*', xml],
    ['application/json;q=0, application/*;q=0.5', xml],
    ['text/html', undefined],
    ['application/dicom', undefined],
    ['multipart/related; type="application/dicom+xml"', undefined],
    ['application/json;q=0', undefined],
    ['application/*;q=0, */*', undefined],
    ['*/*;q=0', undefined],
  ])('%s: %s', (header, type) => {
    expect(storeAnswerType(accepted(header))).toBe(type);
  });
});

describe('datasetChoices (PS3.18 Table 10.4.4-1, 10.6.4)', () => {
  const json = { mediaType: 'application/dicom+json', multipart: false };
  const xml = { mediaType: 'application/dicom+xml', multipart: true };
  const onePart = { mediaType: 'application/dicom+xml', multipart: false };
  const multipartXml = 'multipart/related; type="application/dicom+xml"';

  it.each([
    // The default of the resource stands for what matches anything (8.7.8.1, 4).
    [undefined, [json]],
    ['*/*', [json]],
    ['application/*', [json]],
    ['application/json', [json]],
    ['application/dicom+json; transfer-syntax=*', [json]],
    // A browser's own.
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8', [json]],
    [multipartXml, [xml]],
    ['multipart/related', [xml]],
    ['multipart/*', [xml]],
    ['multipart/related; type="application/*"', [xml]],
    // By weight, and where that is equal as it was named (RFC 9110 12.4.2).
    [`application/dicom+json;q=0.5, ${multipartXml}`, [xml, json]],
    [`${multipartXml}, application/dicom+json`, [xml, json]],
    [`application/json, ${multipartXml};q=0.9`, [json, xml]],
    // The most specific range has the weight of a representation (RFC 9110 12.5.1).
    [`${multipartXml};q=0.5, */*`, [json, xml]],
    ['application/dicom+json;q=0, */*', [xml]],
    [`${multipartXml};q=0, */*`, [json]],
    [`*/*;q=0, ${multipartXml}`, [xml]],
    // A part is accepted on its own (8.7.8.1).
    ['application/dicom+json;q=0, application/dicom+xml;q=0, */*', []],
    ['text/html', []],
    ['multipart/related; type="application/dicom"', []],
  ])('several for %s', (header, expected) => {
    expect(datasetChoices(accepted(header), true)).toEqual(expected);
  });

  it('gives one dataset in XML as a single part too, several not (10.4.4)', () => {
    expect(datasetChoices(accepted('application/dicom+xml'), false)).toEqual([onePart]);
    expect(datasetChoices(accepted('application/dicom+xml'), true)).toEqual([]);
    expect(datasetChoices(accepted('application/*'), false)).toEqual([json]);
  });
});
