import { describe, expect, it } from 'vitest';

import { instanceChoices, readAccept } from './accept.js';

const explicit = '1.2.840.10008.1.2.1';
const implicit = '1.2.840.10008.1.2';
const bigEndian = '1.2.840.10008.1.2.2';
const deflated = '1.2.840.10008.1.2.1.99';
const jpegLossless = '1.2.840.10008.1.2.4.70';
const jpegLs = '1.2.840.10008.1.2.4.80';
const video = '1.2.840.10008.1.2.4.102';

const choices = (header: string | undefined, syntax: string, several = false, query?: string) =>
  instanceChoices(readAccept(header, query), syntax, several);

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
