import { buffer } from 'node:stream/consumers';

import { ExplicitVRLittleEndian, JPEGLSLossless } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { NotFoundError } from '../domain/errors/door.js';
import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import { Blob, datasetOf, fileOf, type Image, memoryOf, readersOf, samples } from '../test-support/kept.js';

const image: Image = { rows: 4, columns: 4, frames: 2, bitsAllocated: 16, vr: 'OW', pixels: samples(64) };
const unknown = '1.2.840.10008.1.2.9999';
const anything = [
  '*/*',
  'application/octet-stream',
  'application/octet-stream; transfer-syntax=*',
  'multipart/related; transfer-syntax=*',
  'multipart/related; type="application/octet-stream"',
];
const choicesFor = (accept: string, uid: string) => frameChoices(readAccept(accept, undefined), uid, false);

describe.each([unknown, JPEGLSLossless])('native pixels under a transfer syntax that says otherwise (%s)', (uid) => {
  it.each(anything)('are octets as bulk data, for %s', async (accept) => {
    const blob = new Blob(fileOf(datasetOf(image), uid), uid);
    const { bulk } = readersOf(blob);
    const { choice, first, count } = await bulk.pixelData(
      blob.instance,
      '7FE00010',
      choicesFor(accept, uid),
      memoryOf(),
    );
    expect([choice.mediaType, choice.transferSyntaxUid, count]).toEqual([
      'application/octet-stream',
      ExplicitVRLittleEndian,
      1,
    ]);
    expect(await buffer(await first.open())).toEqual(Buffer.from(image.pixels));
  });

  it('are so where no image can be made of them, however many frames they are said to be', async () => {
    const rows = { ...datasetOf(image), '00280010': { vr: 'US', Value: [0] } };
    for (const dataset of [rows, datasetOf({ ...image, frames: 70_000 })]) {
      const blob = new Blob(fileOf(dataset, uid), uid);
      const { bulk } = readersOf(blob);
      const { first } = await bulk.pixelData(blob.instance, '7FE00010', choicesFor('*/*', uid), memoryOf());
      expect(await buffer(await first.open())).toEqual(Buffer.from(image.pixels));
    }
  });

  it('are what they are called', async () => {
    const floats = { ...image, bitsAllocated: 32, vr: 'OF', tag: '7FE00008', pixels: samples(128) };
    const blob = new Blob(fileOf(datasetOf(floats), uid), uid);
    const { bulk } = readersOf(blob);
    const read = (tag: string) => bulk.pixelData(blob.instance, tag, choicesFor('*/*', uid), memoryOf());
    expect(await buffer(await (await read('7FE00008')).first.open())).toEqual(Buffer.from(floats.pixels));
    await expect(read('7FE00010')).rejects.toBeInstanceOf(NotFoundError);
  });

  it.each([...anything, 'image/jls; transfer-syntax=*, */*'])(
    'are never called compressed, for frame 2 and %s',
    async (accept) => {
      const blob = new Blob(fileOf(datasetOf(image), uid), uid);
      const { frames } = readersOf(blob);
      const { choice, first } = await frames.read(blob.instance, [2], choicesFor(accept, uid), memoryOf());
      const bytes = await buffer(await first.open());
      if (choice.mediaType === 'image/jls') expect(bytes.readUInt16BE(0)).toBe(0xffd8);
      else expect(bytes).toEqual(Buffer.from(image.pixels.subarray(32)));
    },
  );
});
