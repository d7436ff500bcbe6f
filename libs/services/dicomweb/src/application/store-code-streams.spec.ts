import type { DicomJson } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import {
  bulk,
  ct,
  jls,
  metadata,
  octets,
  reasons,
  stated,
  Tried,
  withMetadata,
} from '../test-support/metadata-request.js';
import { inChunks, multipart } from '../test-support/multipart.js';

const of = (frames: number): DicomJson => ({ '00280008': { vr: 'IS', Value: [frames] } });
const jpeg = (frame: string, before = ''): Buffer =>
  Buffer.from(`ffd8${before}${frame}ffda0008010100003f00ffd9`, 'hex');
const baseline = jpeg('ffc0000b080004000401011100');
const syntax = (type: string, last: string): string => `${type}; transfer-syntax=1.2.840.10008.1.2.${last}`;
const rle = (segments: number, ...offsets: number[]): Buffer => {
  const header = Buffer.alloc(72);
  header.writeUInt32LE(segments, 0);
  for (const [i, offset] of offsets.entries()) header.writeUInt32LE(offset, 4 + 4 * i);
  return header;
};

describe('frames that are no code stream of their transfer syntax', () => {
  it.each([
    'image/jpeg',
    syntax('image/jpeg', '4.50'),
    'image/jls',
    'image/jp2',
    'image/jpx',
    'image/jphc',
    'image/jxl',
    'image/dicom-rle',
    syntax(octets, '4.90'),
  ])('make nothing that is stored: %s', async (type) => {
    for (const garbage of ['garbage!', 'g', 'garbage! '.repeat(40_000)]) {
      const tried = new Tried();
      for (const send of [stated, bulk]) {
        const answer = await tried.send([metadata(ct('1.1').json), send('pixels/1.1', garbage, type)]);
        expect([answer.status, reasons(answer)]).toEqual([409, [['1.1', 0xc000]]]);
      }
      expect([tried.intake.stored, tried.intake.open]).toEqual([[], 0]);
    }
  });

  it.each(['image/jpeg', syntax('video/mp4', '4.102'), 'video/mpeg2', 'image/dicom-rle'])(
    'are empty ones, of %s',
    async (type) => {
      const tried = new Tried();
      const answer = await tried.send([metadata(ct('1.1').json), stated('pixels/1.1', '', type)]);
      expect([reasons(answer), tried.intake.stored]).toEqual([[['1.1', 0xc000]], []]);
    },
  );

  it.each([
    ['Baseline as lossless', syntax('image/jpeg', '4.70'), baseline],
    [
      'near-lossless as lossless',
      syntax('image/jls', '4.80'),
      Buffer.from(
        jls('')
          .toString('hex')
          .replace(/000000$/, '030000'),
        'hex',
      ),
    ],
    ['JPEG-LS as JPEG', 'image/jpeg', jls('a')],
    ['a header that is cut off', syntax('image/jpeg', '4.50'), baseline.subarray(0, 15)],
    ['RLE of no segments', 'image/dicom-rle', rle(0)],
    ['RLE of 16 segments', 'image/dicom-rle', rle(16, 64)],
    ['RLE that ends before its segments', 'image/dicom-rle', rle(2, 64, 99_999)],
    ['RLE whose segments lie in its header', 'image/dicom-rle', rle(1, 8)],
  ])('are %s', async (_what, type, frame) => {
    const answer = await new Tried().send([metadata(ct('1.1').json), stated('pixels/1.1', frame, type)]);
    expect(reasons(answer)).toEqual([['1.1', 0xc000]]);
  });

  it('are so behind a good one too, and nothing of the instance is kept', async () => {
    for (const bad of ['garbage!', '', baseline])
      for (const send of [stated, bulk]) {
        const tried = new Tried();
        const frames = [jls('a'), bad, jls('c')].map((frame) => send('pixels/1.1', frame, 'image/jls'));
        const answer = await tried.send([metadata(ct('1.1', 4, of(3)).json), ...frames]);
        expect([answer.status, reasons(answer)]).toEqual([409, [['1.1', 0xc000]]]);
        expect([tried.intake.stored, tried.intake.open]).toEqual([[], 0]);
      }
  });
});

it('one frame of two instances fails the one alone whose transfer syntax it is not', async () => {
  const shared = (uid: string, last: string): DicomJson => ({
    ...ct(uid).json,
    '00020010': { vr: 'UI', Value: [`1.2.840.10008.1.2.4.${last}`] },
    '7FE00010': { vr: 'OB', BulkDataURI: 'pixels/shared' },
  });
  const tried = new Tried();
  const datasets = [shared('1.1', '70'), shared('1.2', '50')];
  const answer = await tried.send([metadata(...datasets), stated('pixels/shared', baseline, 'image/jpeg')]);
  expect([answer.status, reasons(answer)]).toEqual([202, [['1.1', 0xc000]]]);
  expect(tried.file('1.2')?.includes(baseline)).toBe(true);
});

describe('frames that every decoder takes', () => {
  const profile = (bytes: number): string => `ffe2${bytes.toString(16).padStart(4, '0')}${'00'.repeat(bytes - 2)}`;

  it.each([
    ['with fill bytes before a marker', 'image/jpeg', jpeg('ffffffc0000b080004000401011100'), '4.50'],
    ['with a profile of 60 KiB', 'image/jpeg', jpeg('ffc0000b080004000401011100', profile(60_000)), '4.50'],
    ['progressive, said to be Baseline', syntax('image/jpeg', '4.50'), jpeg('ffc2000b080004000401011100'), '4.50'],
    ['RLE', 'image/dicom-rle', rle(2, 64, 66), '5'],
  ])('are stored: %s', async (_what, type, frame, last) => {
    const tried = new Tried();
    for (const bytewise of [false, true]) {
      const parts = [metadata(ct('1.1').json), stated('pixels/1.1', frame, type)];
      const answer = await tried.post(inChunks(multipart('b', parts), bytewise ? 1 : 1_000), withMetadata);
      expect([answer.status, reasons(answer)]).toEqual([200, []]);
    }
    expect(tried.file('1.1')?.includes(`1.2.840.10008.1.2.${last}`)).toBe(true);
  });
});
