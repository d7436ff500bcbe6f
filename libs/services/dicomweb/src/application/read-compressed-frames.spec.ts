import { buffer } from 'node:stream/consumers';
import { deflateRawSync } from 'node:zlib';

import {
  decodeFrames,
  decodeStoredFrame,
  ExplicitVRLittleEndian,
  HTJ2KLossless,
  imagePixel,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  transcodeFrame,
} from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { NotAcceptableError, NotFoundError } from '../domain/errors/door.js';
import { IndexBehindError } from '../domain/errors/retrieve.js';
import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import { asStored, bytesOf, framesOf, images, octets, read } from '../test-support/frames.js';
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
import type { ByteRange } from './ports/archive.js';

const jpeg = '1.2.840.10008.1.2.4.50';
const ranges = (...all: [number, number][]): ByteRange[] => all.map(([offset, length]) => ({ offset, length }));

/** A frame, deflated by itself, behind an empty offset table. */
const bitsIn = (frame: Uint8Array): Uint8Array[] => {
  const deflated = deflateRawSync(frame);
  return [new Uint8Array(0), new Uint8Array(Buffer.concat([deflated, Buffer.alloc(deflated.length % 2)]))];
};

describe('compressed frames', () => {
  const ct: Image = { rows: 8, columns: 8, frames: 1, bitsAllocated: 16, vr: 'OW', pixels: samples(128) };
  const three: Image = { ...ct, frames: 3, pixels: samples(3 * 128) };

  it('are their fragments joined, as stored, and one that is not there is none', async () => {
    const blob = new Blob(Buffer.from('a header frame one frame two'), jpeg);
    const nowhere = ranges([4 * 1024 ** 3, 5]);
    const found = [ranges([9, 6], [15, 3]), ranges([19, 9]), nowhere];
    const index = indexOf(locatedFragments(found));
    const { frames } = readersOf(blob, index);
    const chosen = await read(frames, blob, [2, 1], asStored);
    expect(chosen.choice).toMatchObject({ mediaType: 'image/jpeg', transferSyntaxUid: jpeg });
    expect((await bytesOf(chosen)).map(String)).toEqual(['frame two', 'frame one']);
    const { first } = await read(frames, blob, [1], asStored);
    expect(String(await buffer(await first.open({ first: 4, last: 7 })))).toBe('e on');
    for (const none of [[3], [4], [1, 4]])
      await expect(read(frames, blob, none, asStored)).rejects.toBeInstanceOf(NotFoundError);
  });

  it('are located some ahead, and asked for again only past those', async () => {
    const found = Array.from({ length: 100 }, (_, i) => ranges([i * 10, 10]));
    const blob = new Blob(samples(1_000), jpeg);
    const index = indexOf(locatedFragments(found));
    const { frames } = readersOf(blob, index);
    for (let number = 1; number <= 100; number++)
      expect(await bytesOf(await read(frames, blob, [number], asStored))).toEqual([
        Buffer.from(blob.bytes.subarray(number * 10 - 10, number * 10)),
      ]);
    expect(index.asked.map((numbers) => [numbers[0], numbers.length])).toEqual([
      [1, 32],
      [33, 32],
      [65, 32],
      [97, 32],
    ]);
  });

  it('of an object that the index does not know yet are found by walking over it', async () => {
    const blob = new Blob(await inSyntax(fileOf(datasetOf(three)), RLELossless), RLELossless);
    const { frames } = readersOf(blob);
    const [, second] = (await decodeFrames(blob.bytes)).map(({ samples }) => samples);
    expect(await bytesOf(await read(frames, blob, [2]))).toEqual([
      Buffer.from(new Uint8Array(second?.buffer as ArrayBuffer)),
    ]);
    const large = { ...blob.instance, byteCount: 33 * 1024 * 1024 };
    const choices = frameChoices(readAccept('*/*', undefined), RLELossless, false);
    await expect(readersOf(blob).frames.read(large, [1], choices, memoryOf())).rejects.toBeInstanceOf(IndexBehindError);
  });

  it.each([RLELossless, JPEGLSLossless, HTJ2KLossless])(
    'in %s leave decoded where octets are asked for',
    async (uid) => {
      const blob = new Blob(await inSyntax(fileOf(datasetOf(three)), uid), uid);
      const { frames } = readersOf(blob);
      const chosen = await read(frames, blob, [3, 1]);
      const expected = framesOf(three);
      expect(await bytesOf(chosen)).toEqual([expected[2], expected[0]]);
      expect(chosen).toMatchObject({ choice: { mediaType: 'application/octet-stream' }, asStored: false, count: 2 });
      expect((await read(frames, blob, [1], asStored)).choice.transferSyntaxUid).toBe(uid);
    },
  );

  it.each([
    ['image/dicom-rle', RLELossless],
    ['image/jls', JPEGLSLossless],
    ['image/jphc', HTJ2KLossless],
    [`application/octet-stream; transfer-syntax=${JPEGLSLossless}`, JPEGLSLossless],
  ])('are made where they are asked for (%s), and decode to the same', async (accept, uid) => {
    const blob = new Blob(fileOf(datasetOf(ct)));
    const { frames } = readersOf(blob);
    const chosen = await read(frames, blob, [1], accept);
    expect(chosen.choice.transferSyntaxUid).toBe(uid);
    const [bytes = Buffer.alloc(0)] = await bytesOf(chosen);
    const image = imagePixel(parseFile(blob.bytes).dataset);
    const { samples: decoded } = await decodeStoredFrame({ bytes, transferSyntaxUid: uid, image });
    expect(Buffer.from(decoded.buffer, decoded.byteOffset, decoded.byteLength)).toEqual(framesOf(ct)[0]);
  });

  it.each([0, 1])('of colour lie in octets as the metadata say: Planar Configuration %i', async (planes) => {
    const more = {
      '00280002': { vr: 'US', Value: [3] },
      '00280004': { vr: 'CS', Value: ['RGB'] },
      '00280006': { vr: 'US', Value: [planes] },
    };
    const colour = datasetOf({ ...ct, bitsAllocated: 8, vr: 'OB', pixels: samples(192), more });
    const image = imagePixel(parseFile(fileOf(colour)).dataset);
    const native = { bytes: samples(192), transferSyntaxUid: ExplicitVRLittleEndian, image };
    const { bytes } = await transcodeFrame(native, RLELossless);
    const fragments = [new Uint8Array(0), Buffer.concat([bytes, Buffer.alloc(bytes.length % 2)])];
    const file = fileOf({ ...colour, '7FE00010': { vr: 'OB', fragments } }, RLELossless);
    const blob = new Blob(file, RLELossless);
    expect(await bytesOf(await read(readersOf(blob).frames, blob, [1]))).toEqual([Buffer.from(samples(192))]);
  });

  it('are given in the best form that they can be had in, or not at all', async () => {
    const floats = new Blob(fileOf(datasetOf(images['floats'] as Image)));
    const { frames } = readersOf(floats);
    await expect(read(frames, floats, [1], 'image/jls')).rejects.toBeInstanceOf(NotAcceptableError);
    await expect(read(frames, floats, [1], 'image/png')).rejects.toBeInstanceOf(NotAcceptableError);
    const { choice } = await read(frames, floats, [1], 'image/jls, application/octet-stream;q=0.1');
    expect(choice.transferSyntaxUid).toBe(ExplicitVRLittleEndian);
  });

  it('that nobody decodes, or that are too large for it, leave as they are stored and are not read before', async () => {
    const gibibyte = 1024 ** 3;
    const header = Buffer.concat([await inSyntax(fileOf(datasetOf(ct)), RLELossless), Buffer.alloc(64 * 1024)]);
    for (const [uid, length] of [
      ['1.2.840.10008.1.2.4.102', 2 * gibibyte],
      [JPEGLSLossless, 64 * 1024 * 1024],
    ] as const) {
      const blob = new Blob(header, uid, { byteCount: 3 * gibibyte });
      const index = indexOf(locatedFragments([ranges([header.length, length])]));
      const { frames } = readersOf(blob, index);
      const chosen = await read(frames, blob, [1], '*/*');
      expect([chosen.choice.transferSyntaxUid, chosen.asStored, chosen.first.byteCount]).toEqual([uid, true, length]);
      await expect(read(frames, blob, [1], octets)).rejects.toBeInstanceOf(NotAcceptableError);
      for (const range of blob.opened) expect(range?.length ?? Infinity).toBeLessThan(1024 * 1024);
    }
  });

  it('that are broken leave as they are stored, and as nothing else', async () => {
    const dataset = datasetOf(ct);
    const fragments = [new Uint8Array(0), samples(100)];
    const blob = new Blob(fileOf({ ...dataset, '7FE00010': { vr: 'OB', fragments } }, JPEGLSLossless), JPEGLSLossless);
    const { frames } = readersOf(blob);
    expect((await read(frames, blob, [1], '*/*')).choice.transferSyntaxUid).toBe(JPEGLSLossless);
    expect(await bytesOf(await read(frames, blob, [1], asStored))).toEqual([Buffer.from(samples(100))]);
    await expect(read(frames, blob, [1], octets)).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('that are one hold no more than their bytes once they are made, and nothing for a form that failed', async () => {
    const blob = new Blob(await inSyntax(fileOf(datasetOf(ct)), RLELossless), RLELossless);
    const memory = memoryOf();
    const { first } = await read(readersOf(blob).frames, blob, [1], octets, memory);
    expect(memory.held.at(-2)).toBeGreaterThanOrEqual(4 * 128);
    expect(memory.held.at(-1)).toBe(first.byteCount);
    const fragments = [new Uint8Array(0), samples(100)];
    const file = fileOf({ ...datasetOf(ct), '7FE00010': { vr: 'OB', fragments } }, JPEGLSLossless);
    const broken = new Blob(file, JPEGLSLossless);
    const tried = memoryOf();
    expect((await read(readersOf(broken).frames, broken, [1], '*/*', tried)).asStored).toBe(true);
    expect(Math.max(...tried.held)).toBeGreaterThan(0);
    expect(tried.held.at(-1)).toBe(0);
  });

  it('of single bits hold the bytes that these become', async () => {
    const deflatedFrames = '1.2.840.10008.1.2.8.1';
    const file = fileOf(
      { ...datasetOf({ ...ct, bitsAllocated: 1 }), '7FE00010': { vr: 'OB', fragments: bitsIn(samples(8)) } },
      deflatedFrames,
    );
    const blob = new Blob(file, deflatedFrames);
    const memory = memoryOf();
    const chosen = await read(readersOf(blob).frames, blob, [1], octets, memory);
    expect(await bytesOf(chosen)).toEqual([Buffer.from(samples(8))]);
    expect(Math.max(...memory.held)).toBeGreaterThanOrEqual(4 * 64);
  });

  it('hold what their work takes, once where frames are of one size', async () => {
    const blob = new Blob(await inSyntax(fileOf(datasetOf(three)), RLELossless), RLELossless);
    const memory = memoryOf();
    await bytesOf(await read(readersOf(blob).frames, blob, [1, 2, 3], octets, memory));
    const work = memory.held.filter((byteCount) => byteCount >= 4 * 128);
    expect(work.length).toBeGreaterThan(0);
    expect(memory.held.at(-1)).toBeGreaterThanOrEqual(4 * 128);
    const stored = memoryOf();
    await bytesOf(await read(readersOf(blob).frames, blob, [1, 2, 3], asStored, stored));
    expect(stored.held.at(-1) ?? 0).toBe(0);
  });
});
