import { describe, expect, it } from 'vitest';

import {
  atOnce,
  bulkReferencesOf,
  type BulkValue,
  type DicomJson,
  DicomWriteError,
  encapsulatedEnd,
  encapsulatedHead,
  ExplicitVRLittleEndian,
  fragmentHead,
  fromDicomJson,
  imageAttributesOf,
  implementationClassUid,
  parseFile,
  type Part10Options,
  isStreamOf,
  syntaxOfCodeStream,
  toDicomJson,
  valueHead,
  writePart10,
} from './index.js';
import { frameHeader, jpegOf, segment } from '../test-support/jpeg.js';

const ids: DicomJson = {
  '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.7'] },
  '00080018': { vr: 'UI', Value: ['2.25.1'] },
};
const image: DicomJson = {
  ...ids,
  '00280010': { vr: 'US', Value: [2] },
  '00280011': { vr: 'US', Value: [3] },
  '54000100': { vr: 'SQ', Value: [{ '54001010': { vr: 'OW', BulkDataURI: 'waveform' } }, {}] },
  '7FE00010': { vr: 'OW', BulkDataURI: 'pixels' },
  FFFCFFFC: { vr: 'OB', BulkDataURI: 'padding' },
};
const values = new Map<string, BulkValue>([
  ['7FE00010', { bytes: Buffer.from('twelve bytes') }],
  ['54000100/0/54001010', { bytes: Buffer.from('wave') }],
  ['FFFCFFFC', { bytes: Buffer.from('odd') }],
]);
const explicit = { transferSyntaxUid: ExplicitVRLittleEndian };

function fileOf(dataset: DicomJson, options: Part10Options): { readonly before: Buffer; readonly after: Buffer } {
  const { before, after } = atOnce(writePart10(dataset, options));
  return { before: Buffer.concat([...before]), after: Buffer.concat([...after]) };
}

describe('a dataset of the DICOM JSON model with bulk values', () => {
  it('names them as they are named where it is made', () => {
    expect(atOnce(bulkReferencesOf(image))).toEqual([
      { path: '54000100/0/54001010', uri: 'waveform' },
      { path: '7FE00010', uri: 'pixels' },
      { path: 'FFFCFFFC', uri: 'padding' },
    ]);
  });

  it('becomes a file that holds them where they belong', () => {
    const { before, after } = fileOf(image, { ...explicit, values });
    expect(after).toHaveLength(0);
    const { dataset, fileMeta } = parseFile(before);
    expect(fileMeta).toMatchObject({
      mediaStorageSopInstanceUid: '2.25.1',
      transferSyntaxUid: ExplicitVRLittleEndian,
    });
    const json = toDicomJson(dataset);
    expect(Buffer.from(json['7FE00010']?.InlineBinary ?? '', 'base64').toString()).toBe('twelve bytes');
    expect(Buffer.from(json['FFFCFFFC']?.InlineBinary ?? '', 'base64').toString()).toBe('odd\0');
    const [item] = json['54000100']?.Value as [DicomJson];
    expect(Buffer.from(item['54001010']?.InlineBinary ?? '', 'base64').toString()).toBe('wave');
    expect(before.toString()).toContain(implementationClassUid);
  });

  it('is the same file when one value is written between two parts', () => {
    const whole = fileOf(image, { ...explicit, values }).before;
    const others = new Map([...values].filter(([path]) => path !== '7FE00010'));
    const { before, after } = fileOf(image, { ...explicit, values: others, around: '7FE00010' });
    const head = valueHead('7FE00010', 'OW', 12);
    expect(Buffer.concat([before, head, Buffer.from('twelve bytes'), after]).equals(whole)).toBe(true);
  });

  it('is the same file when frames are written one after the other', () => {
    const frames = [Buffer.from('first'), Buffer.from('second')];
    const { '54000100': _sequence, FFFCFFFC: _padding, ...plain } = image;
    const syntax = { transferSyntaxUid: '1.2.840.10008.1.2.4.90' };
    const whole = fileOf(plain, { ...syntax, values: new Map([['7FE00010', { frames }]]) }).before;
    const { before, after } = fileOf(plain, { ...syntax, around: '7FE00010' });
    const [first = '', second = ''] = frames;
    const written = [
      ...[before, encapsulatedHead('7FE00010'), fragmentHead(5), first, Uint8Array.of(0)],
      ...[fragmentHead(6), second, encapsulatedEnd, after],
    ].map((part) => Buffer.from(part));
    expect(Buffer.concat(written).equals(whole)).toBe(true);
    expect(parseFile(whole).dataset.element('7FE00010')?.fragments).toHaveLength(3);
  });

  it('is the same file when a value or a frame came in pieces, and long ones are not copied', () => {
    const long = Buffer.alloc(200_000, 7);
    const pieces = [long.subarray(0, 70_001), long.subarray(70_001, 70_002), long.subarray(70_002)];
    const withPixels = (value: BulkValue) => ({ ...explicit, values: new Map([...values, ['7FE00010', value]]) });
    const { before } = atOnce(writePart10(image, withPixels({ bytes: pieces })));
    const written = [...before];
    expect(Buffer.concat(written).equals(fileOf(image, withPixels({ bytes: long })).before)).toBe(true);
    expect(written.filter((piece) => piece.buffer === long.buffer).map(({ length }) => length)).toEqual([
      70_001, 129_998,
    ]);
    expect(
      Math.max(...written.filter((piece) => piece.buffer !== long.buffer).map(({ length }) => length)),
    ).toBeLessThan(70_000);
    const frames = (value: BulkValue): Buffer => fileOf(image, withPixels(value)).before;
    expect(frames({ frames: [pieces, long] }).equals(frames({ frames: [long, pieces] }))).toBe(true);
    expect(parseFile(frames({ frames: [pieces] })).dataset.element('7FE00010')?.fragments?.[1]?.byteCount).toBe(
      200_000,
    );
  });

  it('writes text in UTF-8 and says so, whatever the dataset or an item of it says', () => {
    const named: DicomJson = {
      ...ids,
      '00080005': { vr: 'CS', Value: ['ISO_IR 100'] },
      '00081140': {
        vr: 'SQ',
        Value: [{ '00080005': { vr: 'CS', Value: ['ISO_IR 144'] }, '00104000': { vr: 'LT', Value: ['Größe'] } }],
      },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }] },
    };
    const json = toDicomJson(parseFile(fileOf(named, explicit).before).dataset);
    expect(json['00080005']?.Value).toEqual(['ISO_IR 192']);
    expect(json['00100010']?.Value).toEqual([{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }]);
    const [item] = json['00081140']?.Value as [DicomJson];
    expect(item).toEqual({ '00104000': { vr: 'LT', Value: ['Größe'] } });
  });

  it('leaves out group lengths and the file meta information of others', () => {
    const received: DicomJson = {
      ...ids,
      '00020010': { vr: 'UI', Value: ['1.2.840.10008.1.2.4.50'] },
      '00020016': { vr: 'AE', Value: ['ELSEWHERE'] },
      '00080000': { vr: 'UL', Value: [4711] },
    };
    const { fileMeta, dataset } = parseFile(fileOf(received, explicit).before);
    expect(fileMeta.transferSyntaxUid).toBe(ExplicitVRLittleEndian);
    expect([...dataset].map(({ tag }) => tag)).toEqual(['00080016', '00080018']);
    expect(fileOf(received, explicit).before.includes('ELSEWHERE')).toBe(false);
  });

  it.each<[string, unknown]>([
    ['no SOP Instance UID', { '00080016': ids['00080016'] }],
    ['a SOP Instance UID that is a path', { ...ids, '00080018': { vr: 'UI', Value: ['../../etc/passwd'] } }],
    ['a delimiter for a tag', { ...ids, FFFEE00D: { vr: 'UN', InlineBinary: 'AAAA' } }],
    ['a command for a tag', { ...ids, '00000002': { vr: 'UI', Value: ['1.2'] } }],
    ['a tag of a group that no dataset has', { ...ids, '00010010': { vr: 'LO', Value: ['x'] } }],
    [
      'file meta information in an item',
      { ...ids, '00081140': { vr: 'SQ', Value: [{ '00020010': { vr: 'UI', Value: ['1.2'] } }] } },
    ],
    ['a VR that is none', { ...ids, '00091010': { vr: 'ZZ', InlineBinary: 'AAAA' } }],
    ['text in base64', { ...ids, '00100010': { vr: 'PN', InlineBinary: 'AAAA' } }],
    ['what is no base64', { ...ids, '00091010': { vr: 'OB', InlineBinary: 'A!AA' } }],
    ['base64 that is cut off', { ...ids, '00091010': { vr: 'OB', InlineBinary: 'AAAAA' } }],
    ['a value with the separator of values', { ...ids, '00080060': { vr: 'CS', Value: ['CT\\MR'] } }],
    ['a number that its VR does not hold', { ...ids, '00280010': { vr: 'US', Value: [65536] } }],
    ['a value that nothing came for', { ...ids, '7FE00010': { vr: 'OW', BulkDataURI: 'pixels' } }],
    ['text longer than its length can say', { ...ids, '00104000': { vr: 'LO', Value: ['x'.repeat(70_000)] } }],
  ])('refuses %s', (_what, json) => {
    expect(() => fileOf(fromDicomJson(json), explicit)).toThrow(DicomWriteError);
  });

  it('refuses a sequence that stands elsewhere', () => {
    const dataset = { ...ids, '00081140': { vr: 'SQ', BulkDataURI: 'items' } };
    expect(() => atOnce(bulkReferencesOf(dataset))).toThrow(DicomWriteError);
  });

  it('refuses a value whose length cannot be written', () => {
    expect(() => valueHead('7FE00010', 'OW', 0xffffffff)).toThrow(DicomWriteError);
    expect(() => fragmentHead(0xffffffff)).toThrow(DicomWriteError);
    expect(() => valueHead('00100010', 'PN', 10)).toThrow(DicomWriteError);
  });
});

/** A scan header of one component, and two bytes of a scan (ITU-T T.81 B.2.3). */
const scanOf = (predictor: number): number[] => [...segment(0xda, 1, 1, 0, predictor, 63, 0), 0, 0];

describe('syntaxOfCodeStream', () => {
  const jpeg = ['1.2.840.10008.1.2.4.70', '1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51', '1.2.840.10008.1.2.4.57'];
  /** SOI, a frame header of one component, a scan header (ITU-T T.81 B.2.2, B.2.3). */
  const stream = (marker: number, precision: number, predictor = 0): Uint8Array =>
    jpegOf(frameHeader(marker, { precision, rows: 8, columns: 8, sampling: [0x11] }), scanOf(predictor));

  it.each([
    ['baseline', stream(0xc0, 8), '50'],
    ['extended of 12 bits', stream(0xc1, 12), '51'],
    ['lossless, first-order prediction', stream(0xc3, 16, 1), '70'],
    ['lossless of another prediction', stream(0xc3, 16, 6), '57'],
  ])('knows JPEG %s', (_what, bytes, last) => {
    expect(syntaxOfCodeStream(bytes, jpeg)).toBe(`1.2.840.10008.1.2.4.${last}`);
  });

  it('says nothing of what is none, of what the media type does not allow, and of less than a header', () => {
    expect(syntaxOfCodeStream(Buffer.from('<html>this is no image</html>'), jpeg)).toBeUndefined();
    expect(syntaxOfCodeStream(stream(0xc2, 8), jpeg)).toBeUndefined();
    expect(syntaxOfCodeStream(stream(0xf7, 8), jpeg)).toBeUndefined();
    for (let length = 0; length < 17; length++)
      expect(syntaxOfCodeStream(stream(0xc0, 8).subarray(0, length), jpeg)).toBeUndefined();
  });

  it('takes no beginning for another syntax, wherever it ends', () => {
    const bytes = stream(0xc3, 16, 1);
    for (let length = 0; length <= bytes.length; length++) {
      const head = bytes.subarray(0, length);
      expect(syntaxOfCodeStream(head, jpeg)).toBeOneOf([undefined, '1.2.840.10008.1.2.4.70']);
      expect(isStreamOf(head, '1.2.840.10008.1.2.4.70', false)).toBeOneOf([undefined, true]);
    }
  });
});

describe('imageAttributesOf', () => {
  /** SOI, a frame header of so many components with these sampling factors, a scan header. */
  const jpeg = (
    marker: number,
    precision: number,
    sampling: readonly number[],
    before: readonly number[] = [],
  ): Uint8Array => jpegOf(before, frameHeader(marker, { precision, rows: 16, columns: 32, sampling }), scanOf(1));
  /** SOC, SIZ, COD (ITU-T T.800 A.5.1, A.6.1), SOT. */
  const jpeg2000 = (
    components: number,
    precision: number,
    isSigned: boolean,
    transform: number,
    wavelet: number,
  ): Uint8Array => {
    const siz = Buffer.alloc(40 + 3 * components);
    siz.writeUInt16BE(0xff51, 0);
    siz.writeUInt16BE(38 + 3 * components, 2);
    siz.writeUInt32BE(32, 6);
    siz.writeUInt32BE(16, 10);
    siz.writeUInt16BE(components, 38);
    for (let i = 0; i < components; i++) siz[40 + 3 * i] = (precision - 1) | (isSigned ? 0x80 : 0);
    const cod = Buffer.from([0xff, 0x52, 0, 12, 0, 0, 0, 1, transform, 5, 4, 4, 0, wavelet]);
    return Buffer.concat([Buffer.from([0xff, 0x4f]), siz, cod, Buffer.from([0xff, 0x90, 0, 10])]);
  };
  const adobeRgb = [0xff, 0xee, 0, 14, ...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, 0];
  const profile = [0xff, 0xe2, 0x10, 0, ...new Uint8Array(0x1000 - 2)];

  it.each<[string, Uint8Array, readonly unknown[]]>([
    ['baseline grey', jpeg(0xc0, 8, [0x11]), [1, 'MONOCHROME2', 8, 8, 7, 0]],
    ['extended grey of 12 bits', jpeg(0xc1, 12, [0x11]), [1, 'MONOCHROME2', 16, 12, 11, 0]],
    ['lossless grey of 16 bits', jpeg(0xc3, 16, [0x11]), [1, 'MONOCHROME2', 16, 16, 15, 0]],
    ['baseline colour', jpeg(0xc0, 8, [0x11, 0x11, 0x11]), [3, 'YBR_FULL', 8, 8, 7, 0]],
    ['baseline colour with half the chroma', jpeg(0xc0, 8, [0x21, 0x11, 0x11]), [3, 'YBR_FULL_422', 8, 8, 7, 0]],
    ['baseline colour that Adobe calls RGB', jpeg(0xc0, 8, [0x11, 0x11, 0x11], adobeRgb), [3, 'RGB', 8, 8, 7, 0]],
    ['baseline behind a colour profile', jpeg(0xc0, 8, [0x11], profile), [1, 'MONOCHROME2', 8, 8, 7, 0]],
    ['lossless colour', jpeg(0xc3, 8, [0x11, 0x11, 0x11]), [3, 'RGB', 8, 8, 7, 0]],
    ['JPEG 2000 grey, signed', jpeg2000(1, 16, true, 0, 1), [1, 'MONOCHROME2', 16, 16, 15, 1]],
    ['JPEG 2000 colour, reversible', jpeg2000(3, 8, false, 1, 1), [3, 'YBR_RCT', 8, 8, 7, 0]],
    ['JPEG 2000 colour, irreversible', jpeg2000(3, 8, false, 1, 0), [3, 'YBR_ICT', 8, 8, 7, 0]],
    ['JPEG 2000 colour, not transformed', jpeg2000(3, 8, false, 0, 1), [3, 'RGB', 8, 8, 7, 0]],
  ])('of %s', (_what, encoded, wanted) => {
    const found = imageAttributesOf(encoded) ?? {};
    const valueOf = (tag: string): unknown => found[tag]?.Value?.[0];
    const tags = ['00280002', '00280004', '00280100', '00280101', '00280102', '00280103'];
    expect([valueOf('00280010'), valueOf('00280011'), ...tags.map(valueOf)]).toEqual([16, 32, ...wanted]);
  });

  it('are none of what is no code stream, of four components, and of a header that is cut off', () => {
    expect(imageAttributesOf(Buffer.from('GIF89a and so on'))).toBeUndefined();
    expect(imageAttributesOf(jpeg(0xc0, 8, [0x11, 0x11, 0x11, 0x11]))).toBeUndefined();
    expect(imageAttributesOf(jpeg2000(1, 24, false, 0, 1))).toBeUndefined();
    for (const whole of [jpeg(0xc0, 8, [0x11], profile), jpeg2000(1, 8, false, 0, 1)])
      for (let length = 0; length < whole.length - 14; length += 7)
        expect(imageAttributesOf(whole.subarray(0, length))).toBeUndefined();
  });
});
