import { deflateRawSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { emptyElements, emptyItems, framesOf, identity, pixels } from '../test-support/many-elements.js';
import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  implementationClassUid,
  type ParsedHeader,
  readHeader,
  type ReadHeaderOptions,
  toDicomJson,
  writeFileMeta,
} from './index.js';

const mebibyte = 1024 * 1024;
const rssMax = (): number => process.resourceUsage().maxRSS * 1024;
const uids = {
  sopClassUid: '1.2.840.10008.5.1.4.1.1.77.1.6',
  sopInstanceUid: '1.2.3.4',
  studyInstanceUid: '1.2.33',
  seriesInstanceUid: '1.2.3.33',
};
const only = new Set(['00080016', '00080018', '0020000D', '0020000E']);

function file(transferSyntaxUid: string, ...parts: Buffer[]): Buffer {
  const meta = writeFileMeta({ ...uids, implementationClassUid, transferSyntaxUid });
  const dataset = Buffer.concat([identity(uids), ...parts, pixels(1_000)]);
  return Buffer.concat([
    meta,
    transferSyntaxUid === DeflatedExplicitVRLittleEndian ? deflateRawSync(dataset, { level: 1 }) : dataset,
  ]);
}
const read = (bytes: Buffer, options: ReadHeaderOptions = {}): Promise<ParsedHeader> =>
  readHeader((offset, byteCount) => Promise.resolve(bytes.subarray(offset, offset + byteCount)), bytes.length, options);
const uidsOf = ({ dataset }: ParsedHeader): unknown => ({
  sopClassUid: dataset.string('SOPClassUID'),
  sopInstanceUid: dataset.string('SOPInstanceUID'),
  studyInstanceUid: dataset.string('StudyInstanceUID'),
  seriesInstanceUid: dataset.string('SeriesInstanceUID'),
});

describe('a header of many elements', () => {
  // Not all of them in every suite: who stores and who indexes an object has the others.
  const headers = [
    ['functional groups of 150,000 tiles', '52009230', () => file(ExplicitVRLittleEndian, framesOf(150_000))],
    [
      'two million empty items, deflated',
      '00291010',
      () => file(DeflatedExplicitVRLittleEndian, emptyItems(2_000_000)),
    ],
  ] as const;

  it.each(headers)('is identified in no memory to speak of: %s', async (_name, _tag, made) => {
    const bytes = made();
    const before = rssMax();
    const header = await read(bytes, { toTheEnd: true, only });
    expect(rssMax() - before).toBeLessThan(64 * mebibyte);
    expect(uidsOf(header)).toEqual(uids);
    expect(header.pixelData).toMatchObject({ byteCount: 1_000 });
  });

  it.each(headers)('is read without the sequence that is too long: %s', async (_name, tag, made) => {
    const bytes = made();
    const before = rssMax();
    const header = await read(bytes);
    expect(rssMax() - before).toBeLessThan(256 * mebibyte);
    expect(header.dataset.element(tag)).toMatchObject({ vr: 'SQ', notLoaded: true });
    expect(header.pixelData).toMatchObject({ byteCount: 1_000 });
    const json = toDicomJson(header.dataset, { bulkDataUri: (path) => path });
    expect(json[tag]).toBeUndefined();
    expect(json['0020000D']?.Value).toEqual([uids.studyInstanceUid]);
    expect(json['7FE00010']).toEqual({ vr: 'OW', BulkDataURI: '7FE00010' });
  });
});

describe('a header of elements that can be held', () => {
  it('is read with all functional groups, also where it is walked', async () => {
    const header = await read(file(ExplicitVRLittleEndian, framesOf(9_000)));
    const frames = header.dataset.sequence('PerFrameFunctionalGroupsSequence');
    expect(frames).toHaveLength(9_000);
    const [position] = frames[8_999]?.sequence('PlanePositionSlideSequence') ?? [];
    expect(position?.number('XOffsetInSlideCoordinateSystem')).toBe(12.5);
  });
});

describe('two million elements outside of any sequence', () => {
  it('are refused by whoever identifies the object as by whoever reads it, and take little', async () => {
    const bytes = file(ExplicitVRLittleEndian, emptyElements(2_000_000));
    const before = rssMax();
    await expect(read(bytes, { only })).rejects.toThrow('too many elements');
    await expect(read(bytes)).rejects.toThrow('too many elements');
    expect(rssMax() - before).toBeLessThan(128 * mebibyte);
  });
});
