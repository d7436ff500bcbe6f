import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import dicomParser from 'dicom-parser';
import { testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';
import {
  DicomParseError,
  ImplicitVRLittleEndian,
  parseDataset,
  parseFile,
  parseHeader,
  tagOf,
  toDicomJson,
  writeDataset,
  writeFile,
  writeFileMeta,
  type DicomDataset,
} from './index.js';

const files = (folder: string): string[] => {
  const root = testDataPath(folder);
  const walk = (path: string): string[] =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .sort()
          .flatMap((name) => walk(join(path, name)))
      : [path];
  return root === undefined ? [] : walk(root);
};
const malformed = (name: string): Uint8Array => readFileSync(testDataPath('malformed', name) ?? '');

const uid = '1.2.3';
const meta = (transferSyntaxUid: string): Uint8Array =>
  writeFileMeta({ sopClassUid: uid, sopInstanceUid: uid, transferSyntaxUid, implementationClassUid: uid });
const tags = (dataset: DicomDataset): string[] => [...dataset].map(({ tag }) => tag);

describe('parsing a file', () => {
  const valid = [...files('codecs'), ...files('charsets')].filter((path) => path.endsWith('.dcm'));

  it.skipIf(valid.length === 0)('reads the same elements at the same bytes as dicom-parser', () => {
    let compared = 0;
    for (const path of valid.filter((one) => !/deflate|dfl|SQEncoding/.test(one))) {
      const bytes = readFileSync(path);
      const file = parseFile(bytes);
      const theirs = Object.values(dicomParser.parseDicom(bytes).elements).filter(
        ({ tag }) => !tag.startsWith('x0002'),
      );
      expect(tags(file.dataset), path).toEqual(theirs.map(({ tag }) => tag.slice(1).toUpperCase()).sort());
      for (const { tag, dataOffset } of theirs)
        expect(file.dataset.element(tag.slice(1))?.range.offset, `${path} ${tag}`).toBe(dataOffset);
      compared++;
    }
    expect(compared).toBeGreaterThan(50);
  });

  it.skipIf(valid.length === 0)(
    'reads a header from any prefix that reaches Pixel Data, and asks for more below it',
    () => {
      for (const path of valid) {
        const bytes = readFileSync(path);
        const whole = parseFile(bytes);
        const end = whole.transferSyntax.deflated ? bytes.length : (whole.pixelData?.offset ?? bytes.length);
        for (const length of [0, 131, 132, 140, 300, Math.floor(end / 2), end - 9]) {
          if (length < end - 8)
            expect(parseHeader(bytes.subarray(0, length), { complete: false }), `${path} ${String(length)}`).toBe(
              'need-more',
            );
        }
        const header = parseHeader(bytes.subarray(0, end), { complete: end === bytes.length });
        if (header === 'need-more') throw new Error(`${path} wants more than its header`);
        expect(header.pixelData).toEqual(whole.pixelData);
        expect(header.datasetOffset).toBe(whole.datasetOffset);
        expect(header.dataset.string('SOPInstanceUID')).toBe(whole.dataset.string('SOPInstanceUID'));
      }
    },
  );

  it('refuses everything that is not whole, with its own error', () => {
    const bytes = writeFile(
      {
        '00080016': { vr: 'UI', Value: [uid] },
        '00080018': { vr: 'UI', Value: [uid] },
        '00081140': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: [uid] } }] },
      },
      { implementationClassUid: uid },
    );
    const elementEnds = parseFile(bytes).dataset;
    const boundaries = new Set([...elementEnds].map(({ range }) => range.offset + range.byteCount));
    let refused = 0;
    for (let length = 0; length < bytes.length; length++) {
      // An end between two elements cannot be told from the end of a smaller dataset.
      if (boundaries.has(length)) continue;
      expect(() => parseFile(bytes.subarray(0, length)), String(length)).toThrow(DicomParseError);
      refused++;
    }
    expect(refused).toBe(bytes.length - boundaries.size + 1);
  });

  it('stops at a sequence nested deeper than its limit', () => {
    let nested = {};
    for (let depth = 0; depth < 500; depth++) nested = { '00081140': { vr: 'SQ', Value: [nested] } };
    expect(() => parseDataset(writeDataset(nested), '1.2.840.10008.1.2.1')).toThrow(/nested deeper than 64/);
    const endless = Buffer.from('0800401153510000ffffffff'.repeat(1) + 'feff00e0ffffffff', 'hex');
    expect(() =>
      parseDataset(Buffer.concat(Array.from({ length: 100_000 }, () => endless)), '1.2.840.10008.1.2.1'),
    ).toThrow(DicomParseError);
  });

  it('stops at more elements than its limit', () => {
    const many = writeDataset({ '00081140': { vr: 'SQ', Value: Array.from({ length: 1000 }, () => ({})) } });
    expect(() => parseDataset(many, '1.2.840.10008.1.2.1', { limits: { elementsMax: 500 } })).toThrow(/Too many items/);
  });

  it('stops an inflate bomb', () => {
    const bomb = Buffer.concat([meta('1.2.840.10008.1.2.1.99'), deflateRawSync(Buffer.alloc(64 * 1024 * 1024))]);
    expect(() => parseFile(bomb)).toThrow(/inflates past its limit/);
  });

  it('reads private sequences that an Implicit VR stream cannot name', () => {
    const item = Buffer.from('10001000' + '04000000' + '41424344', 'hex');
    const sequence = Buffer.concat([Buffer.from('feff00e0', 'hex'), u32(item.length), item]);
    const element = Buffer.concat([Buffer.from('09000110', 'hex'), u32(sequence.length), sequence]);
    const { dataset } = parseDataset(element, ImplicitVRLittleEndian);
    expect(dataset.sequence('00091001')[0]?.string('PatientName')).toBe('ABCD');
  });
});

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

describe.skipIf(files('malformed').length === 0)('malformed files', () => {
  it('are read or refused with DicomParseError, none takes long', () => {
    for (const path of files('malformed')) {
      const started = Date.now();
      try {
        toDicomJson(parseFile(readFileSync(path)).dataset, { bulkDataUri: (at) => at });
      } catch (error) {
        expect(error, path).toBeInstanceOf(DicomParseError);
        expect((error as DicomParseError).code).toBe('dicom.unparsable');
      }
      expect(Date.now() - started, path).toBeLessThan(10_000);
    }
  });

  it.each([
    'synthetic/container/empty.dcm',
    'synthetic/container/magic-only.dcm',
    'synthetic/container/wrong-magic.dcm',
    'synthetic/container/jpeg-renamed.dcm',
    'synthetic/container/text-renamed.dcm',
    'synthetic/container/truncated-in-meta.dcm',
    'synthetic/container/truncated-in-dataset.dcm',
    'synthetic/container/truncated-in-pixeldata.dcm',
    'synthetic/container/meta-without-transfer-syntax.dcm',
    'synthetic/encoding/length-past-eof.dcm',
    'synthetic/encoding/nested-200.dcm',
    'synthetic/encoding/sequence-without-delimiter.dcm',
    'synthetic/encoding/undefined-length-on-LO.dcm',
    'synthetic/pixels/encapsulated-no-sequence-delimiter.dcm',
    'pydicom/MR_truncated.dcm',
    'pydicom/rtplan_truncated.dcm',
    'pydicom/zipMR.gz',
  ])('refuses %s', (name) => {
    expect(() => parseFile(malformed(name))).toThrow(DicomParseError);
  });

  it.each([
    ['synthetic/container/meta-group-length-huge.dcm', 'MAL^A'],
    ['synthetic/container/ts-says-explicit-is-implicit.dcm', 'MAL^A'],
    ['synthetic/container/unknown-transfer-syntax.dcm', 'MAL^A'],
    ['synthetic/container/trailing-garbage.dcm', 'MAL^A'],
    ['synthetic/encoding/bad-vr-ZZ.dcm', 'MAL^A'],
    ['synthetic/encoding/tags-out-of-order.dcm', 'MAL^A'],
    ['synthetic/encoding/group-lengths.dcm', 'MAL^A'],
    ['synthetic/encoding/odd-length-value.dcm', 'MAL^A'],
    ['synthetic/encoding/vr-null.dcm', 'MAL^A'],
    ['pydicom/badVR.dcm', 'Lastname^Firstname'],
    ['pydicom/MR_small_padded.dcm', 'CompressedSamples^MR1'],
  ])('still reads %s', (name, patientName) => {
    const { dataset } = parseFile(malformed(name));
    expect(dataset.string('PatientName')).toBe(patientName);
    expect(tags(dataset)).toEqual(tags(dataset).sort());
  });

  it('reads datasets without File Meta Information when the syntax is given', () => {
    expect(
      parseDataset(malformed('pydicom/ExplVR_BigEndNoMeta.dcm'), '1.2.840.10008.1.2.2').dataset.string('SOPClassUID'),
    ).toMatch(/^1\.2\.840\.10008\./);
    expect(
      parseDataset(malformed('synthetic/container/no-preamble-no-meta.dcm'), '1.2.840.10008.1.2.1').dataset.string(
        'PatientName',
      ),
    ).toBe('MAL^A');
  });
});

describe.skipIf(files('charsets').length === 0)('Specific Character Set', () => {
  const read = (name: string): DicomDataset => parseFile(readFileSync(testDataPath('charsets', name) ?? '')).dataset;

  it.each([
    ['chrArab.dcm', 'قباني^لنزار'],
    ['chrFren.dcm', 'Buc^Jérôme'],
    ['chrGerm.dcm', 'Äneas^Rüdiger'],
    ['chrGreek.dcm', 'Διονυσιος'],
    ['chrH31.dcm', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    ['chrH32.dcm', 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう'],
    ['chrHbrw.dcm', 'שרון^דבורה'],
    ['chrI2.dcm', 'Hong^Gildong=洪^吉洞=홍^길동'],
    ['chrKoreanMulti.dcm', '김희중'],
    ['chrRuss.dcm', 'Люкceмбypг'],
    ['chrX1.dcm', 'Wang^XiaoDong=王^小東='],
    ['chrX2.dcm', 'Wang^XiaoDong=王^小东='],
  ])('%s says %s', (name, patientName) => {
    expect(read(name).string('PatientName')).toBe(patientName);
  });

  it('is inherited by items, and replaced by an item that has its own', () => {
    for (const name of ['chrSQEncoding.dcm', 'chrSQEncoding1.dcm']) {
      const [item] = read(name).sequence('RequestedProcedureCodeSequence');
      expect(item?.string('PatientName'), name).toBe('ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう');
    }
  });

  it('splits multi-valued text after decoding', () => {
    expect(read('chrFrenMulti.dcm').strings('OtherPatientNames')).toEqual(['Buc^Jérôme', 'Buc^Jérôme']);
  });

  it('gives PN in groups, and UTF-8 as the character set, in DICOM JSON', () => {
    const json = toDicomJson(read('chrH31.dcm'));
    expect(json[tagOf('PatientName')]?.Value).toEqual([
      { Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎', Phonetic: 'やまだ^たろう' },
    ]);
    expect(json[tagOf('SpecificCharacterSet')]?.Value).toEqual(['ISO_IR 192']);
  });
});
