import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import {
  datasetOf,
  type DicomDataset,
  ExplicitVRLittleEndian,
  isBigEndian,
  isDeflated,
  isImplicitVr,
  parseDataset,
  parseFile,
  writeDataset,
} from '@callosum/dicom';
import { isUid } from '@callosum/kernel';
import { testDataPath } from '@callosum/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { DatasetScanner } from './dataset-scanner.js';
import { UnreadableDatasetError } from './errors.js';

const explicit = { implicitVr: false, bigEndian: false };
const object = Buffer.from(
  writeDataset(
    datasetOf({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
      SOPInstanceUID: '1.2.3.4',
      ReferencedStudySequence: [{ ReferencedSOPInstanceUID: '9.9', StudyInstanceUID: '9.9.9' }],
      StudyInstanceUID: '1.2.3',
      SeriesInstanceUID: '1.2.3.1',
      PixelData: new Uint8Array(100),
    }),
  ),
);

const withoutPixels = object.subarray(0, object.length - 112);
const uidKeywords = [
  ['sopClassUid', 'SOPClassUID'],
  ['sopInstanceUid', 'SOPInstanceUID'],
  ['studyInstanceUid', 'StudyInstanceUID'],
  ['seriesInstanceUid', 'SeriesInstanceUID'],
] as const;

/** The head of an element of undefined length, Explicit VR. */
function open(group: number, element: number, vr: string): Buffer {
  const head = Buffer.alloc(12, 0xff);
  head.writeUInt16LE(group);
  head.writeUInt16LE(element, 2);
  head.write(vr, 4, 'latin1');
  head.writeUInt16LE(0, 6);
  return head;
}

const uidsOf = (bytes: Buffer, encoding = explicit, chunkBytes = bytes.length): DatasetScanner['uids'] => {
  const scanner = new DatasetScanner(encoding);
  for (let at = 0; at < bytes.length; at += chunkBytes) scanner.write(bytes.subarray(at, at + chunkBytes));
  scanner.end();
  return scanner.uids;
};

describe('scanning a dataset', () => {
  it('finds the UIDs of the object, not those inside sequences, however it is cut', () => {
    const uids = {
      sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
      sopInstanceUid: '1.2.3.4',
      studyInstanceUid: '1.2.3',
      seriesInstanceUid: '1.2.3.1',
    };
    for (const chunkBytes of [1, 2, 7, 64, 10_000]) expect(uidsOf(object, explicit, chunkBytes)).toEqual(uids);
  });

  it('sees every cut that is not between two elements of the top level', () => {
    const boundaries = new Set<number>();
    for (const { range } of parseDataset(object, ExplicitVRLittleEndian).dataset)
      boundaries.add(range.offset + range.byteCount);
    for (let length = 1; length < object.length; length++) {
      const cut = (): unknown => uidsOf(object.subarray(0, length));
      if (boundaries.has(length)) expect(cut).not.toThrow();
      else expect(cut, `cut at ${length}`).toThrow(UnreadableDatasetError);
    }
  });

  it('never throws anything but its own error, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), fc.boolean(), (bytes, implicitVr, bigEndian) => {
        try {
          uidsOf(Buffer.from(bytes), { implicitVr, bigEndian }, 50);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableDatasetError);
        }
      }),
      { seed: 20261122, numRuns: 500 },
    );
  });

  it('refuses sequences nested without end', () => {
    const open = Buffer.from([
      0x08, 0x00, 0x10, 0x11, 0x53, 0x51, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff,
    ]);
    expect(() => uidsOf(Buffer.concat(Array.from({ length: 1_000 }, () => open)))).toThrow(/nested/);
  });

  it('refuses more elements and fragments than its limits, wherever they are', () => {
    const limits = { depthMax: 64, elementsMax: 1_000, fragmentsMax: 100 };
    const scan = (bytes: Buffer): void => new DatasetScanner(explicit, limits).write(bytes);
    const sequence = Buffer.concat([open(0x0008, 0x1110, 'SQ'), Buffer.from('feff00e0ffffffff', 'hex')]);
    const empty = Buffer.from('0800500053480000', 'hex');
    const many = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => empty));
    for (const before of [Buffer.alloc(0), sequence]) {
      expect(() => scan(Buffer.concat([before, many(990)]))).not.toThrow();
      expect(() => scan(Buffer.concat([before, many(1_010)]))).toThrow('more than 1000 elements');
    }
    const fragments = Buffer.concat(Array.from({ length: 103 }, () => Buffer.from('feff00e000000000', 'hex')));
    expect(() => scan(Buffer.concat([open(0x7fe0, 0x0010, 'OB'), fragments]))).toThrow('more than 100 fragments');
    const items = Buffer.concat(Array.from({ length: 1_003 }, () => Buffer.from('feff00e000000000', 'hex')));
    expect(() => scan(Buffer.concat([open(0x0008, 0x1110, 'SQ'), items]))).toThrow('more than 1000 elements');
    // Behind the pixels they are rubbish as any other.
    expect(() => scan(Buffer.concat([object, many(2_000)]))).not.toThrow();
  });

  const short = (vr: string, length: number): Buffer =>
    Buffer.concat([Buffer.from([0x10, 0, 0x10, 0x21]), Buffer.from(vr, 'latin1'), Buffer.from([length, 0])]);
  const long = (vr: string): Buffer =>
    Buffer.concat([
      Buffer.from([0x10, 0, 0x10, 0x21]),
      Buffer.from(vr, 'latin1'),
      Buffer.from('0000040000006162ffff', 'hex'),
    ]);

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['a VR of two nulls', (bytes) => Buffer.concat([bytes, short('\0\0', 4), Buffer.from('abcd')])],
    ['a VR of ??', (bytes) => Buffer.concat([bytes, short('??', 4), Buffer.from('abcd')])],
    ['an invented VR', (bytes) => Buffer.concat([bytes, short('ZZ', 4), Buffer.from('abcd')])],
    ['a VR of a later edition', (bytes) => Buffer.concat([bytes, long('ZZ')])],
    [
      'Implicit VR inside Explicit VR',
      (bytes) => Buffer.concat([bytes, Buffer.from('1000102104000000', 'hex'), Buffer.from('abcd')]),
    ],
    ['two zeros at the end', (bytes) => Buffer.concat([bytes, Buffer.alloc(2)])],
    ['512 zeros at the end', (bytes) => Buffer.concat([bytes, Buffer.alloc(512)])],
  ])('takes what every reader takes: %s', (_, made) => {
    for (const bytes of [made(withoutPixels), made(object)]) {
      expect(() => parseDataset(bytes, ExplicitVRLittleEndian)).not.toThrow();
      for (const chunkBytes of [1, 7, 10_000])
        expect(uidsOf(bytes, explicit, chunkBytes).sopInstanceUid).toBe('1.2.3.4');
    }
  });

  it('takes rubbish behind Pixel Data, and nowhere else', () => {
    for (const rubbish of [
      'feff0de000000000',
      'ffff',
      '0800500053480500',
      '1000200053510000ffffffffeeee',
      'ab'.repeat(99),
    ]) {
      const bytes = Buffer.from(rubbish, 'hex');
      for (const chunkBytes of [1, 7, 10_000])
        expect(uidsOf(Buffer.concat([object, bytes]), explicit, chunkBytes).sopInstanceUid).toBe('1.2.3.4');
      expect(() => uidsOf(Buffer.concat([withoutPixels, bytes])), rubbish).toThrow(UnreadableDatasetError);
    }
  });

  it('is never stricter than the readers, and finds the UIDs they find', () => {
    let read = 0;
    const mutation = fc.record({
      at: fc.nat(object.length - 1),
      bytes: fc.uint8Array({ maxLength: 4 }),
      /** How many bytes go for them: mostly as many. */
      longer: fc.constantFrom(0, 0, 0, -1, 1, 8),
      cut: fc.constantFrom(0, 0, 0, 1, 8),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), fc.boolean(), (mutations, pixels) => {
        let bytes = pixels ? object : withoutPixels;
        for (const { at, bytes: put, longer, cut } of mutations) {
          const rest = bytes.subarray(Math.max(at, at + put.length - longer), Math.max(at, bytes.length - cut));
          bytes = Buffer.concat([bytes.subarray(0, at), put, rest]);
        }
        let dataset: DicomDataset;
        try {
          dataset = parseDataset(bytes, ExplicitVRLittleEndian).dataset;
        } catch {
          return;
        }
        read++;
        const uids = uidsOf(bytes, explicit, 13);
        for (const [name, keyword] of uidKeywords) {
          const uid = dataset.string(keyword);
          if (isUid(uid ?? '')) expect(uids[name]).toBe(uid);
        }
      }),
      { seed: 20261127, numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(500);
  });

  const files = ['studies', 'codecs', 'charsets'].flatMap((folder) => filesIn(testDataPath(folder)));
  it.skipIf(files.length === 0)('reads every real object whole, and sees the last byte missing', () => {
    let [seen, behind] = [0, 0];
    for (const file of files) {
      const bytes = readFileSync(file);
      if (bytes.toString('latin1', 128, 132) !== 'DICM') continue;
      const { dataset, datasetOffset, fileMeta } = parseFile(bytes);
      const syntax = fileMeta.transferSyntaxUid;
      if (isDeflated(syntax)) continue;
      const body = bytes.subarray(datasetOffset);
      const encoding = { implicitVr: isImplicitVr(syntax), bigEndian: isBigEndian(syntax) };
      expect(uidsOf(body, encoding, 4_099).sopInstanceUid, file).toBe(dataset.string('SOPInstanceUID'));
      const cut = (): unknown => uidsOf(body.subarray(0, body.length - 1), encoding);
      // What is behind the pixels (Data Set Trailing Padding) takes nothing from them.
      if ([...dataset].at(-1)?.tag === '7FE00010') expect(cut, file).toThrow(UnreadableDatasetError);
      else behind++;
      seen++;
    }
    expect(seen).toBeGreaterThan(50);
    expect(behind).toBeLessThan(seen / 2);
  });
});

function filesIn(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).size < 8_000_000);
}
