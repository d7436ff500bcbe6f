import { ByteBudget } from '@callosum/archive';
import { imagePixel, parseFile } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { objectOf } from '../test-support/pictures.js';
import { MemoryTakenError, RetrieveEndedError } from '../domain/errors/retrieve.js';
import { dicomwebSettings } from '../settings.js';
import type { KeptInstance, KeptInstances } from './ports/archive.js';
import type { FrameSource } from './ports/pixels.js';
import { bytesFor, RenderPictures } from './render-pictures.js';
import type { RenderableImage } from './renderable.js';
import { Retrieves } from './retrieves.js';

const side = 64;
const file = parseFile(objectOf({ sop: '1.4', frames: [new Array<number>(side).fill(1)] }));
const image = { ...imagePixel(file.dataset), rows: 1, columns: side };
const opened: RenderableImage = {
  kind: 'image',
  instance: {} as KeptInstance,
  image,
  isMultiFrame: false,
  frames: [1],
  header: file,
  hasBurnedInText: false,
};

/** Pictures of one frame, whose bytes come when they are let. */
function picturesOf(memory: ByteBudget, bytes: () => Promise<Uint8Array>, waitMs = 1_000): RenderPictures {
  const frames: FrameSource = {
    async *frames({ transferSyntaxUid }) {
      await Promise.resolve();
      yield {
        number: 1,
        transferSyntaxUid: transferSyntaxUid ?? '1.2.840.10008.1.2.1',
        image,
        tag: '7FE00010',
        vr: 'OW',
        byteCount: side * 2,
        bytes,
      };
    },
  };
  return new RenderPictures({} as KeptInstances, frames, memory, waitMs);
}

const retrieves = new Retrieves(new ByteBudget(1_000_000), { requestsMax: 100, memoryWaitMs: 100 });
const pixels = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(side * 2));
const form = { format: 'png' } as const;
const one = bytesFor(image, side * 2, undefined);
const inColour = { samplesPerPixel: 3, bitsAllocated: 8, photometricInterpretation: 'RGB' };

describe('the memory of pictures', () => {
  it('is taken before a frame is read, and given back whatever becomes of it', async () => {
    const memory = new ByteBudget(one);
    const taken: number[] = [];
    const { take } = memory;
    memory.take = (byteCount, signal) => {
      taken.push(byteCount);
      return take.call(memory, byteCount, signal);
    };
    const answered = retrieves.begin();
    expect((await picturesOf(memory, pixels).picture(opened, 1, form, answered)).length).toBeGreaterThan(50);
    answered.end();
    const retrieve = retrieves.begin();
    const broken = picturesOf(memory, () => Promise.resolve(new Uint8Array(3)));
    await expect(broken.picture(opened, 1, form, retrieve)).rejects.toMatchObject({ status: 406 });
    const away = picturesOf(memory, () => Promise.reject(new Error('away')));
    await expect(away.picture(opened, 1, form, retrieve)).rejects.toThrow('away');
    expect(taken).toEqual([one, one, one]);
    await expect(memory.take(one, AbortSignal.timeout(100))).resolves.toBeDefined();
  });

  it('is that of the file until the answer has ended, or its next picture is begun', async () => {
    const memory = new ByteBudget(one);
    const retrieve = retrieves.begin();
    const pictures = picturesOf(memory, pixels, 100);
    const { length } = await pictures.picture(opened, 1, form, retrieve);
    // Were it given back, a client that takes its time would hold what nobody counts.
    await expect(memory.take(one - length + 1, AbortSignal.timeout(50))).rejects.toThrow();
    (await memory.take(one - length, AbortSignal.timeout(50)))();
    await pictures.picture(opened, 1, form, retrieve);
    await expect(pictures.picture(opened, 1, form, retrieves.begin())).rejects.toBeInstanceOf(MemoryTakenError);
    retrieve.end();
    await expect(memory.take(one, AbortSignal.timeout(50))).resolves.toBeDefined();
  });

  it('lets as many at once as it holds, and refuses who waits too long', async () => {
    const memory = new ByteBudget(2 * one);
    let reading = 0;
    let most = 0;
    const { promise: go, resolve } = Promise.withResolvers<undefined>();
    const slow = picturesOf(
      memory,
      async () => {
        most = Math.max(most, ++reading);
        await go;
        reading--;
        return pixels();
      },
      200,
    );
    const all = Array.from({ length: 5 }, () => slow.picture(opened, 1, form, retrieves.begin()));
    const late = await Promise.allSettled(all.slice(2));
    for (const { status, ...rest } of late) {
      expect(status).toBe('rejected');
      expect((rest as PromiseRejectedResult).reason).toBeInstanceOf(MemoryTakenError);
    }
    resolve(undefined);
    await Promise.all(all.slice(0, 2));
    expect(most).toBe(2);
  });

  it('is not waited for by who has gone', async () => {
    const memory = new ByteBudget(one);
    const giveBack = await memory.take(one);
    const retrieve = retrieves.begin();
    const waiting = picturesOf(memory, pixels, 60_000).picture(opened, 1, form, retrieve);
    retrieve.end();
    await expect(waiting).rejects.toBeInstanceOf(RetrieveEndedError);
    giveBack();
    await expect(memory.take(one, AbortSignal.timeout(100))).resolves.toBeDefined();
  });

  it('is counted for the picture that is asked for, not for the corner it does not fill', () => {
    const grey = { ...image, rows: 4000, columns: 4000 };
    const colour = { ...grey, ...inColour };
    const whole = bytesFor(colour, 1_000_000, undefined);
    const small = bytesFor(colour, 1_000_000, { width: 256, height: 256 });
    expect(small).toBeLessThan(whole);
    // One side of the viewport is enough: the other one is as the image has it.
    expect(bytesFor(colour, 1_000_000, { width: 256, height: 16_384 })).toBeLessThan(small * 1.01);
    expect(bytesFor(grey, 1_000_000, undefined)).toBeLessThan(whole);
    // A strip of the image, as wide as it gets.
    const strip = { width: 16_384, height: 16_384, region: { x: 0, y: 0, width: 4000, height: 1 } };
    expect(bytesFor(colour, 1_000_000, strip)).toBeLessThan(whole);
  });

  it('is by default enough for a photograph of 24 million pixels', () => {
    const photograph = { ...image, ...inColour, rows: 4000, columns: 6000 };
    const { CALLOSUM_RENDERED_BYTES_MAX: bytesMax } = dicomwebSettings.parse({});
    expect(bytesFor(photograph, 10_000_000, undefined)).toBeLessThan(bytesMax);
  });

  it('is told from the size of the picture, where that is what passes it', async () => {
    const colour = { ...image, ...inColour, rows: side };
    const enough = bytesFor(colour, side * 2, { width: 1, height: 1 });
    const refusal = (bytesMax: number): Promise<Uint8Array> =>
      picturesOf(new ByteBudget(bytesMax), pixels).picture({ ...opened, image: colour }, 1, form, retrieves.begin());
    await expect(refusal(enough)).rejects.toMatchObject({ status: 413, message: expect.stringContaining('viewport') });
    const less = await refusal(enough - 1).catch((error: unknown) => error);
    expect(less).toMatchObject({ status: 413, message: expect.not.stringContaining('viewport') });
  });
});
