import { describe, expect, it } from 'vitest';

import { datasetChoices, instanceChoices, readAccept, storeAnswerType } from './accept.js';
import { BadRequestError } from './errors/door.js';

const explicit = '1.2.840.10008.1.2.1';
const implicit = '1.2.840.10008.1.2';
const bigEndian = '1.2.840.10008.1.2.2';
const deflated = '1.2.840.10008.1.2.1.99';
const jpegLossless = '1.2.840.10008.1.2.4.70';
const jpegLs = '1.2.840.10008.1.2.4.80';
const video = '1.2.840.10008.1.2.4.102';

const accepted = (header: string | undefined, query?: string) => readAccept(header, query);
const choices = (header: string | undefined, syntax: string, several = false, query?: string) =>
  instanceChoices(accepted(header, query), syntax, several);

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

describe('instanceChoices', () => {
  const multipart = 'multipart/related; type="application/dicom"';

  it.each([
    [explicit, explicit],
    [jpegLossless, jpegLossless],
    [deflated, deflated],
    [implicit, explicit],
    [bigEndian, explicit],
  ])('means by transfer-syntax=* for what is stored in %s: %s (PS3.18 8.7.3.5.2)', (stored, transferSyntaxUid) => {
    expect(choices(`${multipart}; transfer-syntax=*`, stored)).toEqual([{ transferSyntaxUid, multipart: true }]);
    expect(choices('application/dicom; transfer-syntax=*', stored)).toEqual([{ transferSyntaxUid, multipart: false }]);
  });

  it.each([implicit, bigEndian])('never is %s, also where it is stored so (PS3.18 8.7.3)', (syntax) => {
    for (const type of [multipart, 'application/dicom']) {
      expect(choices(`${type}; transfer-syntax=${syntax}`, syntax)).toEqual([]);
      expect(choices(`${type}; transfer-syntax=${syntax}, ${type};q=0.1`, syntax)).toMatchObject([
        { transferSyntaxUid: explicit },
      ]);
    }
  });

  it('means Explicit VR Little Endian when no syntax is named (Table 8.7.3-2)', () => {
    for (const header of [multipart, 'multipart/related', 'multipart/*', '*/*', undefined])
      expect(choices(header, implicit)).toEqual([{ transferSyntaxUid: explicit, multipart: true }]);
    for (const header of ['application/dicom', 'application/*', 'multipart/related;q=0, */*'])
      expect(choices(header, jpegLossless)[0]).toEqual({ transferSyntaxUid: explicit, multipart: false });
  });

  it('without a syntax also means the stored one, after that, where it is a compressed one (PS3.18 8.7.3)', () => {
    for (const stored of [video, '1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.93', jpegLossless]) {
      expect(choices('*/*', stored)).toEqual([
        { transferSyntaxUid: explicit, multipart: true },
        { transferSyntaxUid: stored, multipart: true },
      ]);
      expect(choices(`application/dicom; transfer-syntax=${stored};q=0, application/dicom`, stored)).toEqual([
        { transferSyntaxUid: explicit, multipart: false },
      ]);
      // Who names a syntax means it.
      expect(choices(`application/dicom; transfer-syntax=${explicit}`, stored)).toEqual([
        { transferSyntaxUid: explicit, multipart: false },
      ]);
    }
  });

  it.each([
    // As clients write it: in quotes or not, several syntaxes as several ranges.
    ['multipart/related; type=application/dicom; transfer-syntax="*"', [[jpegLs, true]]],
    [
      `${multipart}; transfer-syntax="${jpegLossless}", ${multipart}; transfer-syntax="${explicit}"`,
      [
        [jpegLossless, true],
        [explicit, true],
      ],
    ],
    [
      `${multipart}; transfer-syntax=${jpegLossless};q=1.0, ${multipart}; transfer-syntax=*;q=0.5`,
      [
        [jpegLossless, true],
        [jpegLs, true],
      ],
    ],
    [
      'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
      [
        [explicit, true],
        [jpegLs, true],
      ],
    ],
    [
      'application/dicom, multipart/related',
      [
        [explicit, false],
        [jpegLs, false],
        [explicit, true],
        [jpegLs, true],
      ],
    ],
  ])('reads %s', (header, expected) => {
    expect(choices(header, jpegLs).map((one) => [one.transferSyntaxUid, one.multipart])).toEqual(expected);
  });

  it('is by weight, and where weights are equal as the client named them', () => {
    const header = `${multipart}; transfer-syntax=*;q=0.5, ${multipart}; transfer-syntax=${jpegLossless}, application/dicom;q=0.7`;
    expect(choices(header, jpegLs)).toEqual([
      { transferSyntaxUid: jpegLossless, multipart: true },
      { transferSyntaxUid: explicit, multipart: false },
      { transferSyntaxUid: jpegLs, multipart: false },
      { transferSyntaxUid: jpegLs, multipart: true },
    ]);
    expect(choices('application/dicom; transfer-syntax=*, application/dicom', jpegLs)).toEqual([
      { transferSyntaxUid: jpegLs, multipart: false },
      { transferSyntaxUid: explicit, multipart: false },
    ]);
  });

  it('is each form once, however often it is named', () => {
    expect(choices(`${multipart}, ${multipart}; transfer-syntax=${explicit}, */*`, explicit)).toEqual([
      { transferSyntaxUid: explicit, multipart: true },
    ]);
  });

  it.each([
    // What is refused by its name is not given by a wider range (RFC 9110 12.5.1).
    ['application/dicom;q=0, */*', 'nothing'],
    ['*/*, application/dicom;q=0', 'nothing'],
    [
      `application/dicom;q=0, ${multipart}`,
      [
        [explicit, true],
        [jpegLs, true],
      ],
    ],
    [
      `${multipart};q=0, */*`,
      [
        [explicit, false],
        [jpegLs, false],
      ],
    ],
    [`application/dicom; transfer-syntax=${jpegLs};q=0, application/dicom; transfer-syntax=*`, [[explicit, false]]],
    [`application/dicom; transfer-syntax=*;q=0, application/dicom`, [[explicit, false]]],
    [`application/dicom;q=0, application/dicom; transfer-syntax=*`, [[jpegLs, false]]],
    ['*/*;q=0', 'nothing'],
    // Precedence is by how specific a range is, not by where it stands.
    [
      `*/*;q=0.1, application/dicom;q=0.9`,
      [
        [explicit, false],
        [jpegLs, false],
        [explicit, true],
        [jpegLs, true],
      ],
    ],
    [
      `application/*;q=0.9, application/dicom;q=0.2, ${multipart};q=0.5`,
      [
        [explicit, true],
        [jpegLs, true],
        [explicit, false],
        [jpegLs, false],
      ],
    ],
    [
      `application/dicom; transfer-syntax=*;q=0.9, application/dicom; transfer-syntax=${jpegLs};q=0.1, application/dicom;q=0.5`,
      [
        [explicit, false],
        [jpegLs, false],
      ],
    ],
  ])('for an object in JPEG-LS, %s', (header, expected) => {
    if (expected === 'nothing') expect(choices(header, jpegLs)).toEqual([]);
    else
      expect(choices(header, jpegLs)).toEqual(
        (expected as [string, boolean][]).map(([transferSyntaxUid, multi]) => ({
          transferSyntaxUid,
          multipart: multi,
        })),
      );
  });

  it('weighs the query parameter apart from the header, and before it (PS3.18 8.7.8.1)', () => {
    const asStored = 'application/dicom; transfer-syntax=*';
    expect(choices(`${multipart}`, jpegLs, false, `${asStored};q=0.1`)).toEqual([
      { transferSyntaxUid: jpegLs, multipart: false },
      { transferSyntaxUid: explicit, multipart: true },
      { transferSyntaxUid: jpegLs, multipart: true },
    ]);
    // What the parameter names and the resource has not is as if it were not named.
    expect(choices(multipart, jpegLs, true, asStored)).toEqual([
      { transferSyntaxUid: explicit, multipart: true },
      { transferSyntaxUid: jpegLs, multipart: true },
    ]);
    expect(choices('application/dicom;q=0', jpegLs, false, 'application/dicom')).toEqual([
      { transferSyntaxUid: explicit, multipart: false },
      { transferSyntaxUid: jpegLs, multipart: false },
    ]);
  });

  it('puts several instances into multipart only (PS3.18 10.4.4)', () => {
    for (const header of ['application/dicom', 'application/*', 'multipart/related;q=0, */*'])
      expect(choices(header, explicit, true)).toEqual([]);
    expect(choices(`application/dicom, ${multipart};q=0.5`, explicit, true)).toEqual([
      { transferSyntaxUid: explicit, multipart: true },
    ]);
  });

  it.each(['image/png', 'application/dicom+json', 'multipart/related; type="application/dicom+xml"'])(
    'refuses %s',
    (header) => {
      expect(choices(header, explicit)).toEqual([]);
    },
  );
});
