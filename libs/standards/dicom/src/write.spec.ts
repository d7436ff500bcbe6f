import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DicomWriteError,
  datasetOf,
  decimalString,
  fromDicomJson,
  parseDataset,
  parseFile,
  toDicomJson,
  writeDataset,
  writeFile,
  writeFileMeta,
  type DicomJson,
  type DicomJsonElement,
} from './index.js';

const ids = {
  '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.2'] },
  '00080018': { vr: 'UI', Value: ['2.25.1'] },
};
const options = { implementationClassUid: '2.25.99', implementationVersionName: 'TEST' };

/** Text that PS3.5 allows in most VRs: no backslash, no control characters, no spaces at the ends. */
const text = (lengthMax: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...'abcXYZ019 _-äßéЖ中語한'), minLength: 1, maxLength: lengthMax })
    .map((value) => value.trim())
    .filter((value) => value.length > 0);
const namePart = text(12);
const values = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { minLength: 1, maxLength: 4 });

const element: fc.Arbitrary<DicomJsonElement> = fc.oneof(
  values(text(16)).map((Value) => ({ vr: 'SH', Value })),
  values(text(64)).map((Value) => ({ vr: 'LO', Value })),
  text(200).map((value) => ({ vr: 'UT', Value: [value] })),
  values(fc.constantFrom('A', 'CODE_1', 'X Y')).map((Value) => ({ vr: 'CS', Value })),
  values(fc.record({ Alphabetic: namePart, Ideographic: namePart })).map((Value) => ({ vr: 'PN', Value })),
  values(fc.integer({ min: -2147483648, max: 2147483647 })).map((Value) => ({ vr: 'IS', Value })),
  values(
    fc
      .double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 })
      .map((value) => Number(decimalString(value)) + 0),
  ).map((Value) => ({ vr: 'DS', Value })),
  values(fc.integer({ min: 0, max: 0xffff })).map((Value) => ({ vr: 'US', Value })),
  values(fc.integer({ min: -0x8000, max: 0x7fff })).map((Value) => ({ vr: 'SS', Value })),
  values(fc.integer({ min: 0, max: 0xffffffff })).map((Value) => ({ vr: 'UL', Value })),
  values(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)).map((Value) => ({
    vr: 'FD',
    Value,
  })),
  values(fc.constantFrom('00100010', '7FE00010')).map((Value) => ({ vr: 'AT', Value })),
  fc.constant({ vr: 'LO' }),
  fc
    .uint8Array({ minLength: 2, maxLength: 40 })
    .filter(({ length }) => length % 2 === 0)
    .map((bytes) => ({ vr: 'OB', InlineBinary: Buffer.from(bytes).toString('base64') })),
);
/** Private elements of one creator, so that every VR may stand anywhere. */
const tag = fc.integer({ min: 0x1000, max: 0x10ff }).map((low) => `0009${low.toString(16).toUpperCase()}`);
const flat = fc.dictionary(tag, element, { minKeys: 1, maxKeys: 8 });
const dataset: fc.Arbitrary<DicomJson> = fc.tuple(flat, fc.array(flat, { maxLength: 3 })).map(([elements, items]) => ({
  ...ids,
  '00090010': { vr: 'LO', Value: ['CALLOSUM TEST'] },
  ...elements,
  '00111001': { vr: 'SQ', ...(items.length > 0 ? { Value: items } : {}) },
}));

const sorted = (json: DicomJson): DicomJson =>
  Object.fromEntries(
    Object.keys(json)
      .sort()
      .map((key) => {
        const one = json[key] ?? { vr: 'UN' };
        return [
          key,
          one.vr === 'SQ' && one.Value ? { vr: 'SQ', Value: one.Value.map((item) => sorted(item as DicomJson)) } : one,
        ];
      }),
  );
const withoutCharset = ({ '00080005': _, ...rest }: DicomJson): DicomJson => rest;

describe('writing', () => {
  it('gives back, parsed, what was written: every VR, text of any script, sequences, private elements', () => {
    fc.assert(
      fc.property(dataset, (json) => {
        const file = parseFile(writeFile(json, options));
        expect(sorted(withoutCharset(toDicomJson(file.dataset)))).toEqual(sorted(json));
      }),
      { seed: 20261122, numRuns: 200 },
    );
  });

  it('writes the same bytes from the JSON text of what it wrote', () => {
    fc.assert(
      fc.property(dataset, (json) => {
        const bytes = writeDataset(json);
        const again = JSON.parse(
          JSON.stringify(toDicomJson(parseDataset(bytes, '1.2.840.10008.1.2.1').dataset)),
        ) as unknown;
        expect(Buffer.compare(Buffer.from(writeDataset(fromDicomJson(again))), Buffer.from(bytes))).toBe(0);
      }),
      { seed: 20261122, numRuns: 100 },
    );
  });

  it('makes File Meta Information whose group length ends where the dataset starts', () => {
    const meta = writeFileMeta({
      sopClassUid: '1.2.3',
      sopInstanceUid: '1.2.3.4',
      transferSyntaxUid: '1.2.840.10008.1.2',
      ...options,
      sourceApplicationEntityTitle: 'SENDER',
    });
    const view = new DataView(meta.buffer, meta.byteOffset, meta.byteLength);
    expect(view.getUint32(140, true)).toBe(meta.length - 144);
    const implicit = Buffer.from('1000200004000000' + '41424344', 'hex');
    const file = parseFile(Buffer.concat([meta, implicit]));
    expect(file.dataset.string('PatientID')).toBe('ABCD');
    expect(file.fileMeta).toMatchObject({
      mediaStorageSopClassUid: '1.2.3',
      mediaStorageSopInstanceUid: '1.2.3.4',
      sourceApplicationEntityTitle: 'SENDER',
      implementationClassUid: '2.25.99',
    });
  });

  it('pads text with a space, UIDs and bytes with NUL, and sorts by tag', () => {
    const bytes = writeDataset(
      datasetOf({ PatientID: 'ABC', SOPInstanceUID: '1.2.3', PixelData: Uint8Array.of(1) }, { PixelData: 'OB' }),
    );
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '080018005549' +
        '0600' +
        Buffer.from('1.2.3\0').toString('hex') +
        '100020004c4f' +
        '0400' +
        Buffer.from('ABC ').toString('hex') +
        'e07f10004f420000' +
        '02000000' +
        '0100',
    );
  });

  it.each([
    ['an invalid UID', { SOPInstanceUID: '1.x' }],
    ['a number out of range', { Rows: 70_000 }],
    ['text with a backslash', { PatientID: 'A\\B' }],
    ['text where a number belongs', { Rows: 'many' }],
  ])('refuses %s', (_name, attributes) => {
    expect(() => writeDataset(datasetOf(attributes))).toThrow(DicomWriteError);
  });

  it('keeps DS within 16 characters and as exact as they allow', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), (value) => {
        const written = decimalString(value);
        expect(written.length).toBeLessThanOrEqual(16);
        expect(Math.abs(Number(written) - value)).toBeLessThanOrEqual(Math.abs(value) * 1e-8);
      }),
      { seed: 20261122, numRuns: 500 },
    );
  });
});

describe('DICOM JSON', () => {
  it('puts large binary values behind a URI that names them, and keeps small ones inline', () => {
    const { dataset: parsed } = parseDataset(
      writeDataset({
        ...datasetOf({ PixelData: new Uint8Array(4096) }),
        '00111001': { vr: 'SQ', Value: [{ '00091002': { vr: 'OB', bytes: new Uint8Array(2000) } }] },
        '00091001': { vr: 'OB', bytes: Uint8Array.of(1, 2) },
      }),
      '1.2.840.10008.1.2.1',
    );
    const json = toDicomJson(parsed, { bulkDataUri: (path) => `../bulk/${path}` });
    expect(json['7FE00010']).toEqual({ vr: 'OW', BulkDataURI: '../bulk/7FE00010' });
    expect(json['00091001']).toEqual({ vr: 'OB', InlineBinary: 'AQI=' });
    expect(json['00111001']?.Value).toEqual([{ '00091002': { vr: 'OB', BulkDataURI: '../bulk/00111001/0/00091002' } }]);
  });

  it('keeps what is no number in DS and IS as text', () => {
    const { dataset: parsed } = parseDataset(
      writeDataset({ '00180050': { vr: 'DS', Value: ['thin'] }, '00200013': { vr: 'IS', Value: [7, null, 8] } }),
      '1.2.840.10008.1.2.1',
    );
    expect(toDicomJson(parsed)).toEqual({
      '00180050': { vr: 'DS', Value: ['thin'] },
      '00200013': { vr: 'IS', Value: [7, null, 8] },
    });
    expect(parsed.number('SliceThickness')).toBeUndefined();
  });

  it.each([
    ['no object', 7],
    ['a bad tag', { abc: { vr: 'LO' } }],
    ['a bad VR', { '00100010': { vr: 5 } }],
    ['a bad item', { '00081140': { vr: 'SQ', Value: [3] } }],
  ])('is refused with %s', (_name, json) => {
    expect(() => fromDicomJson(json)).toThrow(/DICOM JSON/);
  });
});
