import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import {
  datasetOf,
  ExplicitVRLittleEndian,
  isBigEndian,
  isDeflated,
  isImplicitVr,
  parseDataset,
  parseFile,
  writeDataset,
} from '@callosum/dicom';
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

  const files = ['studies', 'codecs', 'charsets'].flatMap((folder) => filesIn(testDataPath(folder)));
  it.skipIf(files.length === 0)('reads every real object whole, and sees the last byte missing', () => {
    let seen = 0;
    for (const file of files) {
      const bytes = readFileSync(file);
      if (bytes.toString('latin1', 128, 132) !== 'DICM') continue;
      const { dataset, datasetOffset, fileMeta } = parseFile(bytes);
      const syntax = fileMeta.transferSyntaxUid;
      if (isDeflated(syntax)) continue;
      const body = bytes.subarray(datasetOffset);
      const encoding = { implicitVr: isImplicitVr(syntax), bigEndian: isBigEndian(syntax) };
      expect(uidsOf(body, encoding, 4_099).sopInstanceUid, file).toBe(dataset.string('SOPInstanceUID'));
      expect(() => uidsOf(body.subarray(0, body.length - 1), encoding), file).toThrow(UnreadableDatasetError);
      seen++;
    }
    expect(seen).toBeGreaterThan(50);
  });
});

function filesIn(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).size < 8_000_000);
}
