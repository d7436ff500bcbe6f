import { buffer } from 'node:stream/consumers';

import {
  DeflatedExplicitVRLittleEndian,
  decodeFrames,
  decodeStoredFrame,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  imagePixel,
  ImplicitVRLittleEndian,
  parseFile,
  RLELossless,
} from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { IndexUnavailableError } from '../adapters/study-index-grpc.js';
import { NotFoundError, TooLargeError } from '../domain/errors/door.js';
import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import { asStored, bytesOf, framesOf, images, octets, read } from '../test-support/frames.js';
import { Blob, datasetOf, fileOf, type Image, indexOf, inSyntax, memoryOf, readersOf } from '../test-support/kept.js';
import type { LocatedFrames } from './ports/index.js';

const natives = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian];
const nativeCases = Object.entries(images).flatMap(([name, image]) =>
  natives.map((uid) => [name, uid, image] as const),
);

const located = (blob: Blob): LocatedFrames => {
  const { dataset, pixelData } = parseFile(blob.bytes);
  const image = imagePixel(dataset);
  const bits = image.rows * image.columns * image.samplesPerPixel * image.bitsAllocated;
  return {
    image,
    encapsulated: false,
    nativeOffset: pixelData?.offset ?? 0,
    nativeFrameBytes: Math.ceil(bits / 8),
    nativeByteCount: pixelData?.byteCount ?? 0,
    frames: [],
  };
};

describe('native frames', () => {
  it.each(nativeCases)('of %s in %s are little-endian octets, in the order asked', async (_, uid, image) => {
    const blob = new Blob(await inSyntax(fileOf(datasetOf(image)), uid), uid);
    const [one, two, three] = framesOf(image);
    const { frames } = readersOf(blob);
    for (const accept of [octets, asStored, '*/*']) {
      const chosen = await read(frames, blob, [3, 1, 2, 3], accept);
      expect(chosen.choice.transferSyntaxUid).toBe(ExplicitVRLittleEndian);
      expect(chosen.first.byteCount).toBe(three?.length);
      expect(await bytesOf(chosen)).toEqual([three, one, two, three]);
    }
  });

  it.each(nativeCases)('of %s in %s are what a decoder is given', async (_, uid, image) => {
    const bytes = await inSyntax(fileOf(datasetOf(image)), uid);
    const blob = new Blob(bytes, uid);
    const expected = await decodeFrames(bytes);
    for await (const frame of readersOf(blob).frames.frames(blob.instance, [1, 2, 3], memoryOf())) {
      const stored = { ...frame, bytes: await frame.bytes() };
      expect(stored.bytes).toHaveLength(frame.byteCount);
      expect(await decodeStoredFrame(stored)).toEqual(expected[frame.number - 1]);
    }
  });

  it('that the index has located are each one read of the blob, and it is asked once', async () => {
    const image = images['16 bits'] as Image;
    const blob = new Blob(fileOf(datasetOf(image)));
    const index = indexOf(located(blob));
    const { frames } = readersOf(blob, index);
    const expected = framesOf(image);
    expect(await bytesOf(await read(frames, blob, [3, 1]))).toEqual([expected[2], expected[0]]);
    expect(await bytesOf(await read(frames, blob, [2]))).toEqual([expected[1]]);
    expect(index.asked).toEqual([[3, 1]]);
    const { offset = 0 } = parseFile(blob.bytes).pixelData ?? {};
    expect(blob.opened).toEqual([60, 0, 30].map((before) => ({ offset: offset + before, length: 30 })));
  });

  it('that begin inside a byte are cut out where the index says they lie', async () => {
    const image = images['single bits'] as Image;
    const blob = new Blob(fileOf(datasetOf(image)));
    const { frames } = readersOf(blob, indexOf(located(blob)));
    expect(await bytesOf(await read(frames, blob, [2, 3]))).toEqual(framesOf(image).slice(1));
  });

  it('are none past the last, before anything of another is read', async () => {
    const blob = new Blob(fileOf(datasetOf(images['16 bits'] as Image)));
    for (const index of [indexOf(undefined), indexOf(located(blob))]) {
      const { frames } = readersOf(blob, index);
      for (const numbers of [[4], [1, 4], [4, 1], [2 ** 31]])
        await expect(read(frames, blob, numbers), numbers.join()).rejects.toBeInstanceOf(NotFoundError);
    }
  });

  it('are none where the value ends before they do', async () => {
    const image = { ...(images['16 bits'] as Image), frames: 4 };
    const blob = new Blob(fileOf(datasetOf(image)));
    const { frames } = readersOf(blob);
    await expect(read(frames, blob, [4])).rejects.toBeInstanceOf(NotFoundError);
    expect(await bytesOf(await read(frames, blob, [3]))).toHaveLength(1);
  });

  it('are none in what stands behind the value, which the index does not say to be frames', async () => {
    const image = { ...(images['16 bits'] as Image), frames: 4 };
    const padding = { FFFCFFFC: { vr: 'OB', bytes: new Uint8Array(64) } };
    const blob = new Blob(fileOf({ ...datasetOf(image), ...padding }));
    // One of a version before says where they lie, and not where the value ends: what it says is not kept either.
    for (const said of [{ nativeOffset: 0, nativeFrameBytes: 0, nativeByteCount: 0 }, { nativeByteCount: 0 }]) {
      const { frames } = readersOf(blob, indexOf({ ...located(blob), ...said }));
      expect(await bytesOf(await read(frames, blob, [3]))).toEqual([framesOf(image)[2]]);
      for (let again = 0; again < 2; again++)
        await expect(read(frames, blob, [4])).rejects.toBeInstanceOf(NotFoundError);
    }
  });

  it('of which the index says that they lie nowhere are looked for in the object', async () => {
    const image = images['16 bits'] as Image;
    const blob = new Blob(fileOf(datasetOf(image)));
    const known = located(blob);
    for (const wrong of [{ image: undefined }, { nativeFrameBytes: 0 }, { nativeFrameBytes: 7 }]) {
      const { frames } = readersOf(blob, indexOf({ ...known, ...wrong } as LocatedFrames));
      expect(await bytesOf(await read(frames, blob, [1, 2, 3]))).toEqual(framesOf(image));
    }
  });

  it('of a deflated object are so many at once: it is inflated for each', async () => {
    const image = { ...(images['8 bits of odd length in bytes'] as Image), rows: 1, columns: 2, frames: 23 };
    const uid = DeflatedExplicitVRLittleEndian;
    const blob = new Blob(await inSyntax(fileOf(datasetOf(image)), uid), uid);
    const { frames } = readersOf(blob);
    const numbers = Array.from({ length: 17 }, (_, i) => i + 1);
    await expect(read(frames, blob, numbers)).rejects.toBeInstanceOf(TooLargeError);
    expect(await bytesOf(await read(frames, blob, numbers.slice(1)))).toEqual(framesOf(image).slice(1, 17));
  });

  it('of a deflated object are inflated however small they were made: label maps are nearly nothing', async () => {
    const [rows, frames] = [1_024, 40];
    const pixels = new Uint8Array(rows * rows * frames);
    // At the very end, past what five hundred times the object would be.
    pixels[pixels.length - 1] = 7;
    const image: Image = { rows, columns: rows, frames, bitsAllocated: 8, vr: 'OB', pixels };
    const uid = DeflatedExplicitVRLittleEndian;
    const blob = new Blob(await inSyntax(fileOf(datasetOf(image)), uid), uid);
    expect(pixels.length).toBeGreaterThan(800 * blob.instance.byteCount);
    const { frames: reader, bulk } = readersOf(blob);
    const [last] = await bytesOf(await read(reader, blob, [frames]));
    expect(last?.equals(pixels.subarray(-rows * rows))).toBe(true);
    const choices = frameChoices(readAccept('*/*', undefined), uid, false);
    const all = await bulk.pixelData(blob.instance, '7FE00010', choices, memoryOf());
    expect((await buffer(await all.first.open())).equals(pixels)).toBe(true);
  });

  it('can be had in parts where they are ranges of the blob', async () => {
    const image = images['16 bits'] as Image;
    const blob = new Blob(fileOf(datasetOf(image)));
    const { first } = await read(readersOf(blob).frames, blob, [2]);
    expect(first.ranged).toBe(true);
    expect(await buffer(await first.open({ first: 4, last: 9 }))).toEqual(framesOf(image)[1]?.subarray(4, 10));
    const bigEndian = new Blob(await inSyntax(blob.bytes, ExplicitVRBigEndian), ExplicitVRBigEndian);
    expect((await read(readersOf(bigEndian).frames, bigEndian, [2])).first.ranged).toBe(false);
  });
});

describe('an index that does not answer', () => {
  const away = (error: Error) => ({ frames: () => Promise.reject(error) });

  it('is done without: the object says where its frames lie', async () => {
    const image = images['16 bits'] as Image;
    for (const uid of [ExplicitVRLittleEndian, RLELossless]) {
      const blob = new Blob(await inSyntax(fileOf(datasetOf(image)), uid), uid);
      const { frames } = readersOf(blob, away(new IndexUnavailableError(new Error('no connection'))));
      expect(await bytesOf(await read(frames, blob, [2])), uid).toEqual([framesOf(image)[1]]);
    }
  });

  it('is not what any other failure is', async () => {
    const blob = new Blob(fileOf(datasetOf(images['16 bits'] as Image)));
    const { frames } = readersOf(blob, away(new Error('a defect')));
    await expect(read(frames, blob, [2])).rejects.toThrow('a defect');
  });
});

describe('an object', () => {
  it('without pixels has no frames', async () => {
    const { '7FE00010': _, ...report } = datasetOf(images['16 bits'] as Image);
    const blob = new Blob(fileOf(report));
    await expect(read(readersOf(blob).frames, blob, [1])).rejects.toBeInstanceOf(NotFoundError);
  });

  it('whose image is impossible has none either', async () => {
    const dataset = datasetOf(images['16 bits'] as Image);
    for (const more of [{ '00280010': { vr: 'US', Value: [0] } }, { '00280100': { vr: 'US', Value: [12] } }]) {
      const blob = new Blob(fileOf({ ...dataset, ...more }));
      await expect(read(readersOf(blob).frames, blob, [1])).rejects.toBeInstanceOf(NotFoundError);
    }
  });
});
