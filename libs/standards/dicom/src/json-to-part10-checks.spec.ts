import { describe, expect, it } from 'vitest';

import {
  atOnce,
  type DicomJson,
  type DicomJsonElement,
  DicomParseError,
  DicomWriteError,
  ExplicitVRLittleEndian,
  fromDicomJson,
  parseFile,
  writePart10,
} from './index.js';

const ids: DicomJson = {
  '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.2'] },
  '00080018': { vr: 'UI', Value: ['1.2.3'] },
};
const written = (tag: string, element: DicomJsonElement) => {
  const json = fromDicomJson({ ...ids, [tag]: element });
  const { before } = atOnce(writePart10(json, { transferSyntaxUid: ExplicitVRLittleEndian }));
  return parseFile(Buffer.concat(before)).dataset.element(tag);
};
const ofVendor = '00091010';
/** Text of numbers is looked at where PS3.6 says what the attribute is. */
const tagOf = (vr: string): string => ({ IS: '00200013', DS: '00180050' })[vr] ?? ofVendor;

describe('a value that its VR cannot hold', () => {
  it.each<[string, string | number]>([
    ['IS', 1.5],
    ['IS', '1.5'],
    ['IS', 'one'],
    ['IS', 2 ** 31],
    ['IS', '-2147483649'],
    ['DS', 'a lot'],
    ['DS', '1e999'],
    ['DS', '0x10'],
    ['US', -1],
    ['US', 65_536],
    ['US', '0x10'],
    ['US', 1.5],
    ['SS', 32_768],
    ['UL', -1],
    ['SL', 2 ** 31],
    ['UV', '-1'],
    ['SV', '9223372036854775808'],
    ['FL', 1e39],
    ['FL', 'Infinity'],
    ['FD', 'much'],
    ['FD', '1e999'],
    ['AT', '0010'],
  ])('is refused: %s of %s', (vr, value) => {
    const element = { vr, Value: [value] };
    expect(() => written(tagOf(vr), element)).toThrow(DicomWriteError);
    expect(() => written('00081140', { vr: 'SQ', Value: [{ [tagOf(vr)]: element }] })).toThrow(DicomWriteError);
  });

  it.each<[string, (string | number | null)[]]>([
    ['IS', [1, '2', '+3', null, ' 4 ', -(2 ** 31), '1.0', '7.', '12\0', '\0']],
    ['DS', [1.5, '1.5', '-.5e-3', '5.', null, '', 1e300, '0.5\0 ', '12345678901234567890']],
    ['US', [0, 65_535, '7']],
    ['SV', ['-9223372036854775808', 5]],
    ['UV', ['18446744073709551615']],
    ['FL', [1.5, 'NaN', 'inf', '-inf', '2.5', 3.4e38]],
    ['FD', [1e300, 'NaN']],
    ['AT', ['00100010', '0010001a']],
    ['LO', ['text', null]],
  ])('is none of these: %s of %j', (vr, values) => {
    expect(written(tagOf(vr), { vr, Value: values })?.vr).toBe(vr);
  });

  it('is kept as it comes where it is text of a private attribute', () => {
    for (const vr of ['DS', 'IS']) expect(written(ofVendor, { vr, Value: ['a lot'] })?.vr).toBe(vr);
  });

  it('is found in time, however long it is', () => {
    const long = `${'1'.repeat(1_000_000)}x`;
    for (const vr of ['DS', 'IS', 'FD'])
      expect(() => written(tagOf(vr), { vr, Value: [long] })).toThrow(DicomWriteError);
  });
});

describe('a VR that means something else than the attribute', () => {
  it.each<[string, string, DicomJsonElement]>([
    ['a sex that is a number', '00100040', { vr: 'US', Value: [1] }],
    ['a name that is a sequence', '00100010', { vr: 'SQ', Value: [{}] }],
    ['a sequence that is text', '00081140', { vr: 'LO', Value: ['x'] }],
    ['rows that are text', '00280010', { vr: 'LO', Value: ['4'] }],
    ['rows that are bytes', '00280010', { vr: 'OB', InlineBinary: 'BAA=' }],
    ['pixels that are text', '7FE00010', { vr: 'UT', Value: ['x'] }],
    ['a pointer that is a number', '00280009', { vr: 'UL', Value: [1] }],
    ['a repeating group', '60000010', { vr: 'CS', Value: ['A'] }],
  ])('is refused: %s', (_what, tag, element) => {
    expect(() => written(tag, element)).toThrow(DicomWriteError);
    expect(() => written('00081140', { vr: 'SQ', Value: [{ [tag]: element }] })).toThrow(DicomWriteError);
  });

  it.each<[string, string, DicomJsonElement]>([
    ['one of several', '00280106', { vr: 'SS', Value: [-1] }],
    ['bytes for words', '7FE00010', { vr: 'OB', InlineBinary: 'AAA=' }],
    ['words for numbers, where PS3.6 has both', '00283006', { vr: 'US', Value: [1, 2] }],
    ['a table as numbers', '00281201', { vr: 'US', Value: [1, 2] }],
    ['unknown', '00100040', { vr: 'UN', InlineBinary: 'TSA=' }],
    ['longer text than once', '0008103E', { vr: 'UT', Value: ['x'] }],
    ['a number for text of one', '00280008', { vr: 'US', Value: [1] }],
    ['text of a number for one', '00280010', { vr: 'IS', Value: [4] }],
    ['empty', '00100040', { vr: 'US' }],
    ['private', '00091010', { vr: 'SQ', Value: [{}] }],
    ['one that PS3.6 does not have', '00108888', { vr: 'FD', Value: [1] }],
  ])('is not one that is %s', (_what, tag, element) => {
    // UN is read as what PS3.6 says it is.
    expect(written(tag, element)?.vr).toBe(element.vr === 'UN' ? 'CS' : element.vr);
  });

  it('an item that is null is one without elements, as PS3.18 F.2.5 has what is empty', () => {
    expect(written('00081140', { vr: 'SQ', Value: [null, {}] })?.items).toHaveLength(2);
  });
});

it('an attribute that is there twice, in capitals and not, is refused', () => {
  const twice = { '0010001a': { vr: 'LO', Value: ['a'] }, '0010001A': { vr: 'LO', Value: ['b'] } };
  expect(() => fromDicomJson(twice)).toThrow(DicomParseError);
});
