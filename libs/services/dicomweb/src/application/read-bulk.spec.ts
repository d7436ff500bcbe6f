import { buffer } from 'node:stream/consumers';

import {
  DeflatedExplicitVRLittleEndian,
  type DicomJson,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  JPEGLSLossless,
  parseFile,
  RLELossless,
} from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { isPixelData, stepsOf } from '../domain/bulk-path.js';
import { BadRequestError, NotAcceptableError, NotFoundError, TooLargeError } from '../domain/errors/door.js';
import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import {
  Blob,
  datasetOf,
  fileOf,
  type Image,
  indexOf,
  inSyntax,
  locatedFragments,
  memoryOf,
  readersOf,
  samples,
} from '../test-support/kept.js';
import type { PixelBody } from './read-frames.js';

const image: Image = { rows: 4, columns: 4, frames: 1, bitsAllocated: 16, vr: 'OW', pixels: samples(32) };
const threeFrames: Image = { ...image, frames: 3, pixels: samples(96) };
const natives = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian];

const valueOf = async (body: PixelBody): Promise<Buffer> => {
  const bytes = await buffer(await body.open());
  expect(bytes).toHaveLength(body.byteCount);
  return bytes;
};
const value = (blob: Blob, path: string, memory = memoryOf()): Promise<PixelBody> =>
  readersOf(blob).bulk.value(blob.instance, stepsOf(path), memory);

const pixelData = async (blob: Blob, accept: string, tag = '7FE00010') =>
  readersOf(blob).bulk.pixelData(
    blob.instance,
    tag,
    frameChoices(readAccept(accept, undefined), blob.instance.transferSyntaxUid, false),
    memoryOf(),
  );

describe('a path of bulk data', () => {
  it('is tags and item numbers', () => {
    expect(stepsOf('7fe00010')).toEqual(['7FE00010']);
    expect(stepsOf('54000100/0/54001010')).toEqual(['54000100', '0', '54001010']);
    expect(isPixelData(stepsOf('7FE00008'))).toBe(true);
    expect(isPixelData(stepsOf('00880200/0/7FE00010'))).toBe(false);
  });

  it.each([
    '',
    'PixelData',
    '7FE0001',
    '7FE00010/',
    '7FE00010/0',
    '../7FE00010',
    '7FE00010/-1/00080018',
    `7FE00010${'/0/7FE00010'.repeat(17)}`,
  ])('is not %j', (path) => {
    expect(() => stepsOf(path)).toThrow(BadRequestError);
  });
});

describe('an attribute as bulk data', () => {
  const waveform = samples(2_000);
  const long = samples(300_000);
  const icon: DicomJson = {
    '00280010': { vr: 'US', Value: [4] },
    '00280011': { vr: 'US', Value: [4] },
    '7FE00010': { vr: 'OW', bytes: samples(32) },
  };
  const dataset: DicomJson = {
    ...datasetOf(image),
    '00281201': { vr: 'OW', bytes: long },
    '00880200': { vr: 'SQ', Value: [icon] },
    '54000100': { vr: 'SQ', Value: [{ '54001010': { vr: 'OW', bytes: waveform } }] },
  };

  it.each(natives)('is little-endian, in items too (%s)', async (uid) => {
    const blob = new Blob(await inSyntax(fileOf(dataset), uid), uid);
    expect(await valueOf(await value(blob, '00281201'))).toEqual(Buffer.from(long));
    expect(await valueOf(await value(blob, '54000100/0/54001010'))).toEqual(Buffer.from(waveform));
    expect(await valueOf(await value(blob, '00880200/0/7FE00010'))).toEqual(Buffer.from(samples(32)));
  });

  it.each(natives)('of a header that is too long to be held is streamed from where it lies (%s)', async (uid) => {
    const far = samples(700_000);
    const bytes = fileOf({
      ...dataset,
      '00281201': { vr: 'OW', bytes: samples(900_000) },
      '00281202': { vr: 'OW', bytes: far },
    });
    const blob = new Blob(await inSyntax(bytes, uid), uid);
    const body = await value(blob, '00281202');
    const before = blob.opened.length;
    expect(await valueOf(body)).toEqual(Buffer.from(far));
    expect(blob.opened.length).toBe(before + 1);
    // What is not deflated or swapped can be had in parts.
    expect(body.ranged).toBe(uid === ExplicitVRLittleEndian || uid === ImplicitVRLittleEndian);
    if (body.ranged)
      expect(await buffer(await body.open({ first: 5, last: 8 }))).toEqual(Buffer.from(far.subarray(5, 9)));
  });

  it('in a sequence of compressed pixels is what their fragments hold', async () => {
    const fragments = [new Uint8Array(0), samples(40), samples(7).slice(0, 6)];
    const withIcon: DicomJson = {
      ...dataset,
      '00880200': { vr: 'SQ', Value: [{ ...icon, '7FE00010': { vr: 'OB', fragments } }] },
      '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), samples(50)] },
    };
    const expected = Buffer.concat([samples(40), samples(6)]);
    for (const more of [{}, { '00081110': undefined, '00281201': { vr: 'OW', bytes: samples(1_200_000) } }]) {
      const whole = Object.fromEntries(Object.entries({ ...withIcon, ...more }).filter(([, one]) => one !== undefined));
      const blob = new Blob(fileOf(whole as DicomJson, JPEGLSLossless), JPEGLSLossless);
      const body = await value(blob, '00880200/0/7FE00010');
      expect(await valueOf(body)).toEqual(expected);
      expect(await buffer(await body.open({ first: 38, last: 41 }))).toEqual(expected.subarray(38, 42));
    }
  });

  it('is in parts what it is as a whole', async () => {
    const body = await value(new Blob(fileOf(dataset)), '00281201');
    expect(await buffer(await body.open({ first: 70_000, last: 200_000 }))).toEqual(
      Buffer.from(long.subarray(70_000, 200_001)),
    );
  });

  it.each(['00420011', '54000100/1/54001010', '54000100/0/54001011', '54000100', '00080018/0/00080018'])(
    'is not there (%s)',
    async (path) => {
      await expect(value(new Blob(fileOf(dataset)), path)).rejects.toBeInstanceOf(NotFoundError);
    },
  );

  it('holds the header while it is read, and then no more than a long value', async () => {
    const memory = memoryOf();
    await value(new Blob(fileOf(dataset)), '00281201', memory);
    // Read in growing pieces, let go, and the value.
    expect(memory.held.slice(0, -2)).toEqual([64, 256, 296].map((kib) => expect.closeTo(kib * 1024 * 16, -6)));
    expect(memory.held.slice(-2)).toEqual([0, long.length]);
  });
});

describe('Pixel Data as bulk data', () => {
  it.each(natives)('is its value, little-endian, all frames (%s)', async (uid) => {
    const blob = new Blob(await inSyntax(fileOf(datasetOf(threeFrames)), uid), uid);
    for (const accept of [
      '*/*',
      'application/octet-stream',
      'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    ]) {
      const { first, count } = await pixelData(blob, accept);
      expect(count).toBe(1);
      expect(await valueOf(first)).toEqual(Buffer.from(threeFrames.pixels));
    }
    await expect(pixelData(blob, 'image/jls')).rejects.toBeInstanceOf(NotAcceptableError);
    await expect(pixelData(blob, 'multipart/related; type="image/jls"')).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('is what it is called, and nothing else', async () => {
    const floats = new Float32Array(16).map((_, i) => i / 3);
    const pixels = new Uint8Array(floats.buffer);
    const float = new Blob(fileOf(datasetOf({ ...image, bitsAllocated: 32, vr: 'OF', tag: '7FE00008', pixels })));
    expect(await valueOf((await pixelData(float, '*/*', '7FE00008')).first)).toEqual(Buffer.from(pixels));
    await expect(pixelData(float, '*/*')).rejects.toBeInstanceOf(NotFoundError);
    const integer = new Blob(fileOf(datasetOf(image)));
    await expect(pixelData(integer, '*/*', '7FE00008')).rejects.toBeInstanceOf(NotFoundError);
    const compressed = new Blob(await inSyntax(integer.bytes, RLELossless), RLELossless);
    await expect(pixelData(compressed, '*/*', '7FE00009')).rejects.toBeInstanceOf(NotFoundError);
  });

  it('is there though no image can be made of it', async () => {
    const broken = { ...datasetOf(image), '00280010': { vr: 'US', Value: [0] } };
    expect(await valueOf((await pixelData(new Blob(fileOf(broken)), '*/*')).first)).toEqual(Buffer.from(image.pixels));
  });

  it('of one frame is also made into what is asked for', async () => {
    const { choice, first, count } = await pixelData(new Blob(fileOf(datasetOf(image))), 'image/jls, */*;q=0.1');
    expect([choice.transferSyntaxUid, count]).toEqual([JPEGLSLossless, 1]);
    expect((await valueOf(first)).subarray(0, 2)).toEqual(Buffer.of(0xff, 0xd8));
  });

  describe('that is compressed', () => {
    const compressed = async (of: Image, uid: string) => new Blob(await inSyntax(fileOf(datasetOf(of)), uid), uid);

    it.each([RLELossless, JPEGLSLossless])('is one value as octets, decoded (%s)', async (uid) => {
      const { choice, first, count, rest } = await pixelData(await compressed(threeFrames, uid), '*/*');
      expect([choice.transferSyntaxUid, count]).toEqual([ExplicitVRLittleEndian, 1]);
      expect(await valueOf(first)).toEqual(Buffer.from(threeFrames.pixels));
      for await (const _ of rest) expect.unreachable();
    });

    it('is one part a frame as it is stored, and in another syntax', async () => {
      const blob = await compressed(threeFrames, RLELossless);
      const stored = parseFile(blob.bytes).dataset.element('PixelData')?.fragments ?? [];
      const asStored = await pixelData(blob, 'multipart/related; type="application/octet-stream"; transfer-syntax=*');
      const got = [await valueOf(asStored.first)];
      for await (const one of asStored.rest) got.push(await valueOf(one));
      expect(got).toEqual(
        stored.slice(1).map(({ offset, byteCount }) => Buffer.from(blob.bytes.subarray(offset, offset + byteCount))),
      );
      const other = await pixelData(blob, 'multipart/related; type="image/jls"');
      expect([other.choice.transferSyntaxUid, other.count]).toEqual([JPEGLSLossless, 3]);
      const streams = [await valueOf(other.first)];
      for await (const one of other.rest) streams.push(await valueOf(one));
      expect(streams.map((bytes) => bytes.readUInt16BE(0))).toEqual([0xffd8, 0xffd8, 0xffd8]);
    });

    it('is no single part where it is of several frames', async () => {
      const blob = await compressed(threeFrames, RLELossless);
      await expect(pixelData(blob, 'image/dicom-rle')).rejects.toBeInstanceOf(NotAcceptableError);
      const one = await compressed(image, RLELossless);
      expect((await pixelData(one, 'image/dicom-rle')).choice).toMatchObject({ multipart: false });
    });

    it('is not there where it has no frames', async () => {
      const fragments = [new Uint8Array(0)];
      const empty = fileOf({ ...datasetOf(image), '7FE00010': { vr: 'OB', fragments } }, RLELossless);
      await expect(pixelData(new Blob(empty, RLELossless), '*/*')).rejects.toBeInstanceOf(NotFoundError);
    });
  });
});

describe('Pixel Data of more frames than are listed', () => {
  it('is refused before they are located, which the index would have to do anew each time', async () => {
    const many = datasetOf({ ...image, frames: 65_537 });
    const fragments = [new Uint8Array(0), samples(50)];
    const blob = new Blob(fileOf({ ...many, '7FE00010': { vr: 'OB', fragments } }, JPEGLSLossless), JPEGLSLossless);
    const index = indexOf(locatedFragments([[{ offset: 0, length: 1 }]]));
    const choices = frameChoices(readAccept('*/*', undefined), JPEGLSLossless, false);
    const { bulk } = readersOf(blob, index);
    await expect(bulk.pixelData(blob.instance, '7FE00010', choices, memoryOf())).rejects.toBeInstanceOf(TooLargeError);
    expect(index.asked).toEqual([]);
  });
});

describe('Pixel Data of very many frames', () => {
  it('is located once: not all of it is remembered, and one question to the index is of 4,096 frames at most', async () => {
    const count = 10_000;
    const blob = new Blob(samples(count), RLELossless);
    const frames = Array.from({ length: count }, (_, offset) => [{ offset, length: 1 }]);
    const index = indexOf(locatedFragments(frames));
    const asStored = 'multipart/related; type="image/dicom-rle"; transfer-syntax=*';
    const choices = frameChoices(readAccept(asStored, undefined), RLELossless, false);
    const { bulk } = readersOf(blob, index);
    const chosen = await bulk.pixelData(blob.instance, '7FE00010', choices, memoryOf());
    expect(chosen.count).toBe(count);
    expect(index.asked).toEqual([[]]);
    const { value: last } = await chosen.rest[Symbol.asyncIterator]().next();
    expect(await buffer(await (last as PixelBody).open())).toEqual(Buffer.from(samples(count).subarray(1, 2)));
  });
});
