import { describe, expect, it } from 'vitest';
import { implementation, transcoded } from '../../test-support/objects.js';
import { framesOf, identity, pixels } from '../../test-support/many-elements.js';
import {
  datasetOf,
  DeflatedExplicitVRLittleEndian,
  DicomParseError,
  dicomJsonText,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  lacksSequences,
  longDataset,
  parseFile,
  readHeader,
  RLELossless,
  toDicomJson,
  toDicomXml,
  writeFile,
  writeFileMeta,
  type Attributes,
  type DicomJson,
} from '../index.js';

const mebibyte = 1024 * 1024;
const options = { bulkDataUri: (path: string) => `https://pacs.example/${path}` };
const readerOf =
  (file: Uint8Array) =>
  (offset: number, byteCount: number): Promise<Uint8Array> =>
    Promise.resolve(file.subarray(offset, offset + byteCount));
const textOf = async (strings: AsyncIterable<string>): Promise<string> => {
  let text = '';
  for await (const string of strings) text += string;
  return text;
};

const attributes: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
  SOPInstanceUID: '1.2.3.4',
  PatientName: 'Müller^Jörg=山田^太郎',
  PatientComments: 'a "quoted" <text> & more',
  ReferencedStudySequence: [],
  SpecificCharacterSet: 'ISO_IR 192',
  '00090010': null,
  RequestAttributesSequence: [
    {},
    { ScheduledProcedureStepID: '1', ScheduledProtocolCodeSequence: [{ CodeValue: 'a' }, {}, { CodeValue: 'ä' }] },
  ],
  IconImageSequence: [{ Rows: 1, Columns: 2_000, RedPaletteColorLookupTableData: new Uint8Array(2_000).fill(3) }],
  WindowCenter: [50, 1.5],
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  Rows: 10,
  Columns: 10,
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 1,
  SmallestImagePixelValue: -5,
  WaveformSequence: [{ WaveformData: new Uint8Array(3_000).fill(1), ChannelMinimumValue: new Uint8Array(4) }],
  PerFrameFunctionalGroupsSequence: [{ PlanePositionSequence: [{ ImagePositionPatient: [1, 2, 3] }] }],
};
const vrs = {
  '00090010': 'LO',
  SmallestImagePixelValue: 'SS',
  RedPaletteColorLookupTableData: 'OW',
  WaveformData: 'OW',
  ChannelMinimumValue: 'OW',
};
const withPrivate = (of: Attributes): Attributes => ({
  ...of,
  ...Object.fromEntries([
    ['00090010', 'ACME'],
    ['00091001', 'own'],
    ['00091102', 'of nobody'],
  ]),
});
const small = writeFile(
  {
    ...datasetOf(withPrivate({ ...attributes, DerivationCodeSequence: [withPrivate({}), { CodeValue: 'x' }] }), {
      ...vrs,
      '00091001': 'LO',
      '00091102': 'LO',
    }),
    '7FE00010': { vr: 'OW', bytes: new Uint8Array(200) },
  },
  implementation,
);

/** Elements of Explicit VR Little Endian as they are, also where no writer would put them so. */
const meta = writeFileMeta({
  sopClassUid: '1.2.840.10008.5.1.4.1.1.7',
  sopInstanceUid: '1.2.3.4',
  transferSyntaxUid: ExplicitVRLittleEndian,
  ...implementation,
});
const tagBytes = (tag: string): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0);
  bytes.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2);
  return bytes;
};
const lengthBytes = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
};
const element = (tag: string, vr: string, value: string): Buffer =>
  Buffer.concat([
    tagBytes(tag),
    Buffer.from(vr, 'latin1'),
    lengthBytes(value.length).subarray(0, 2),
    Buffer.from(value, 'latin1'),
  ]);
const item = (...content: Buffer[]): Buffer => {
  const bytes = Buffer.concat(content);
  return Buffer.concat([tagBytes('FFFEE000'), lengthBytes(bytes.length), bytes]);
};
const longElement = (tag: string, vr: string, ...content: Buffer[]): Buffer => {
  const bytes = Buffer.concat(content);
  return Buffer.concat([tagBytes(tag), Buffer.from(`${vr}\0\0`, 'latin1'), lengthBytes(bytes.length), bytes]);
};
const sequence = (...items: Buffer[]): Buffer => longElement('00081110', 'SQ', ...items);

describe('a dataset that is written as it is walked', () => {
  it.each([
    ['Explicit VR Little Endian', undefined],
    ['Implicit VR', ImplicitVRLittleEndian],
    ['big-endian', ExplicitVRBigEndian],
    ['deflated', DeflatedExplicitVRLittleEndian],
    ['compressed', RLELossless],
  ] as const)('is the one that a header is: %s', async (_, transferSyntaxUid) => {
    const file = transferSyntaxUid ? await transcoded(small, transferSyntaxUid) : small;
    const { dataset } = await readHeader(readerOf(file), file.length);
    const json = toDicomJson(dataset, options);
    const long = await longDataset(readerOf(file), file.length, options);
    expect(await textOf(long.json())).toBe(dicomJsonText(json));
    expect(await textOf(long.xml())).toBe([...toDicomXml(json)].join(''));
  });

  it('has the characters of each item as its own character set has them', async () => {
    const file = Buffer.concat([
      meta,
      element('00080005', 'CS', 'ISO_IR 100'),
      sequence(
        item(element('00080005', 'CS', 'ISO_IR 144'), element('00081030', 'LO', '\xb4\xd0')),
        item(element('00081030', 'LO', '\xe4\xf6')),
      ),
      // Twice: the first counts.
      sequence(item()),
      element('00104000', 'LT', '\xfc '),
      element('00104000', 'LT', 'no'),
    ]);
    const long = await longDataset(readerOf(file), file.length, options);
    const text = await textOf(long.json());
    expect(text).toBe(dicomJsonText(toDicomJson(parseFile(file).dataset, options)));
    expect(text).toContain('"äö"');
    expect(text).toContain('"Да"');
  });

  it('has the first of a repeated element, wherever the others stand, in items too', async () => {
    const name = (value: string): Buffer => element('00100010', 'PN', value);
    const id = (value: string): Buffer => element('00100020', 'LO', value);
    const file = Buffer.concat([
      meta,
      name('A '),
      id('1 '),
      name('B '),
      sequence(item(name('C '), id('3 '), name('D ')), item(name('E '))),
      id('2 '),
      sequence(item()),
      name('F '),
    ]);
    const long = await longDataset(readerOf(file), file.length, options);
    const text = await textOf(long.json());
    expect(JSON.parse(text)).toEqual(toDicomJson(parseFile(file).dataset, options));
    expect(['00100010', '00100020', '00081110'].map((tag) => text.split(`"${tag}"`).length - 1)).toEqual([3, 2, 1]);
    expect((await textOf(long.xml())).split('keyword="PatientName"')).toHaveLength(1 + 3);
  });

  it('that has more elements than can be told apart is refused', async () => {
    const tags = Array.from({ length: 110_000 }, (_, i) => (0x00090000 + i).toString(16).padStart(8, '0'));
    const file = Buffer.concat([meta, ...tags.map((tag) => element(tag, 'LO', ''))]);
    const long = await longDataset(readerOf(file), file.length, options);
    await expect(textOf(long.json())).rejects.toThrow('too many elements');
  });

  it('names offset tables of very many frames, and does not read them', async () => {
    const table = Buffer.alloc(8 * mebibyte);
    const file = Buffer.concat([meta, longElement('7FE00001', 'OV', table), longElement('7FE00010', 'OB', item())]);
    let readBytes = 0;
    const counting = (offset: number, byteCount: number): Promise<Uint8Array> => {
      readBytes += byteCount;
      return readerOf(file)(offset, byteCount);
    };
    const long = await longDataset(counting, file.length, options);
    const json = JSON.parse(await textOf(long.json())) as DicomJson;
    expect(json['7FE00001']).toEqual({ vr: 'OV', BulkDataURI: 'https://pacs.example/7FE00001' });
    expect(json['7FE00010']).toBeDefined();
    expect(readBytes).toBeLessThan(mebibyte);
  });

  it('that is broken is said to be', async () => {
    const long = await longDataset(readerOf(small), small.length, options);
    expect(await textOf(long.json())).not.toBe('');
    const cut = small.subarray(0, small.length - 250);
    await expect(longDataset(readerOf(cut), cut.length, options).then(({ json }) => textOf(json()))).rejects.toThrow(
      DicomParseError,
    );
  });
});

describe('a dataset of 40,000 tiles', () => {
  const tiles = 40_000;
  const uids = {
    sopClassUid: '1.2.840.10008.5.1.4.1.1.77.1.6',
    sopInstanceUid: '1.2.3.4',
    studyInstanceUid: '1.2.33',
    seriesInstanceUid: '1.2.3.33',
  };
  const file = Buffer.concat([
    writeFileMeta({ ...uids, ...implementation, transferSyntaxUid: ExplicitVRLittleEndian }),
    identity(uids),
    framesOf(tiles),
    pixels(1_000),
  ]);

  it.each(['json', 'xml'] as const)('is written whole as %s, in little memory', async (form) => {
    const { dataset } = await readHeader(readerOf(file), file.length);
    expect(lacksSequences(dataset)).toBe(true);
    const before = process.resourceUsage().maxRSS * 1024;
    const long = await longDataset(readerOf(file), file.length, options);
    let count = 0;
    let longest = 0;
    let last = '';
    for await (const text of long[form]()) {
      count += text.split('12.5').length - 1;
      longest = Math.max(longest, text.length);
      last = text;
    }
    expect(count).toBe(tiles);
    expect(longest).toBeLessThan(80_000);
    expect(last).toContain('https://pacs.example/7FE00010');
    expect(process.resourceUsage().maxRSS * 1024 - before).toBeLessThan(96 * mebibyte);
  });
});
