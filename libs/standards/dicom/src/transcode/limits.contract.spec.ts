import { describe, expect, it } from 'vitest';
import { DicomCodecsBusyError, DicomPixelError } from '../errors.js';
import {
  decodeFrames,
  ExplicitVRLittleEndian,
  HTJ2KLossless,
  ImplicitVRLittleEndian,
  JPEG2000Lossless,
  JPEGLossless,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  transcode,
  type TranscodeSource,
} from '../index.js';
import { type CodecImage, type CodecJob, memoryOf } from '../pixels/codec-jobs.js';
import { CodecPool } from '../pixels/codec-pool.js';
import { fileOf, imageElements, noise, transcoded } from '../../test-support/objects.js';
import { greyBytes } from '../../test-support/stored-frames.js';

const compressed = [RLELossless, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless];

describe('samples that encoders are known to stumble over', () => {
  const images = [
    { name: 'twelve bits', stored: 12 },
    { name: 'twelve bits, signed', stored: 12, signed: true },
    { name: 'sixteen bits, signed', signed: true },
    { name: 'more bits than are stored', stored: 10, wild: true },
    { name: 'eight bits in words', stored: 8 },
    { name: 'six bits in bytes', bits: 8, stored: 6 },
    { name: 'a frame of two by two', rows: 2, columns: 2 },
    { name: 'a wide strip', rows: 2, columns: 777, bits: 8 },
    { name: 'odd sides', rows: 63, columns: 65, bits: 8 },
    { name: 'colour by plane', bits: 8, samples: 3, planar: 1 },
  ];

  it.each(images)('$name', async ({ wild = false, ...options }) => {
    const {
      rows = 40,
      columns = 50,
      samples = 1,
      bits = 16,
      stored = bits,
      signed = false,
    } = options as {
      rows?: number;
      columns?: number;
      samples?: number;
      bits?: number;
      stored?: number;
      signed?: boolean;
    };
    const count = rows * columns * samples;
    const raw = noise(count * 2, 7);
    const words = new Uint16Array(raw.buffer).map((word) => {
      if (wild) return word;
      const low = word & (2 ** stored - 1);
      return signed && low >= 2 ** (stored - 1) ? low - 2 ** stored : low;
    });
    const value = bits === 16 ? new Uint8Array(words.buffer) : Uint8Array.from(words);
    const padded = value.length % 2 === 0 ? value : Buffer.concat([value, Buffer.alloc(1)]);
    const image = imageElements({ ...options, rows, columns, bits });
    const file = fileOf({ ...image, '7FE00010': { vr: bits > 8 ? 'OW' : 'OB', bytes: padded } });
    const expected = (await decodeFrames(file))[0]?.samples;
    for (const to of compressed) {
      const out = await transcoded(file, to);
      expect((await decodeFrames(out))[0]?.samples, to).toEqual(expected);
      const back = parseFile(await transcoded(out, ExplicitVRLittleEndian)).dataset;
      if ('planar' in options) expect((await decodeFrames(out))[0]?.samples).toEqual(expected);
      else expect(Buffer.from(back.bytes('7FE00010') ?? []).equals(padded), to).toBe(true);
    }
  });
});

/** A header, and as many frames as are asked for: bytes that exist only while somebody takes them. */
function generated(frames: number, rows: number): { source: TranscodeSource; byteCount: number } {
  const frameBytes = rows * rows * 2;
  const image = {
    ...imageElements({ rows, columns: rows, frames }),
    '7FE00010': { vr: 'OW', bytes: new Uint8Array(0) },
  };
  const header = Buffer.from(fileOf(image));
  header.writeUInt32LE(frames * frameBytes, header.length - 4);
  const frame = noise(frameBytes).map((byte, i) => (i % 2 === 0 ? byte : byte & 3));
  const source = {
    async *open() {
      yield header;
      for (let i = 0; i < frames; i++)
        for (let at = 0; at < frameBytes; at += 65_536) yield await Promise.resolve(frame.subarray(at, at + 65_536));
    },
  };
  return { source, byteCount: frames * frameBytes };
}

async function passed(source: TranscodeSource, to: string): Promise<{ byteCount: number; grown: number }> {
  const before = process.memoryUsage().rss;
  let [byteCount, peak] = [0, before];
  for await (const chunk of (await transcode(source, { to })).dataset()) {
    byteCount += chunk.length;
    if (byteCount % 16 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  return { byteCount, grown: peak - before };
}

describe('memory', () => {
  const mebibyte = 1024 * 1024;

  it('is the same for two gigabytes as for two megabytes', async () => {
    await passed(generated(2, 1024).source, ImplicitVRLittleEndian);
    const large = generated(1023, 1024);
    const { byteCount, grown } = await passed(large.source, ImplicitVRLittleEndian);
    expect(byteCount).toBeGreaterThan(large.byteCount);
    expect(grown).toBeLessThan(64 * mebibyte);
  });

  it('is that of some frames where they are compressed', async () => {
    await passed(generated(4, 512).source, RLELossless);
    const all = generated(800, 512);
    const { byteCount, grown } = await passed(all.source, RLELossless);
    // Buffers are let go when the collector comes by, which it does every 64 MiB or so.
    expect(grown).toBeLessThan(160 * mebibyte);
    expect(all.byteCount + byteCount).toBeGreaterThan(600 * mebibyte);
  });
});

describe('the codec threads', () => {
  const image: CodecImage = { ...greyBytes, rows: 512, columns: 512, bitsAllocated: 16, bitsStored: 16 };
  const encode = () =>
    ({ kind: 'encode', encoder: 'encodeJpeg2000', decoder: 'decodeJpeg2000', image, samples: noise(524_288) }) as const;
  const broken = () => ({ kind: 'decode', decoder: 'decodeJpeg2000', image, encoded: noise(10_000) }) as const;

  it('lose the frame that is broken, and no other', async () => {
    const pool = new CodecPool({ threads: 1 });
    const results = await Promise.allSettled(
      [encode(), broken(), encode(), broken(), encode()].map((job) => pool.run(job)),
    );
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(DicomPixelError);
  });

  it('give up a frame that takes too long, and go on', async () => {
    const pool = new CodecPool({ threads: 1, frameTimeoutMs: 1 });
    const slow = { ...encode(), image: { ...image, rows: 2048, columns: 2048 }, samples: noise(8 * 1024 * 1024) };
    await expect(pool.run(slow)).rejects.toMatchObject({ code: 'dicom.transcode.unfit' });
    await expect(pool.run(slow.samples.length > 0 ? slow : encode())).rejects.toThrow();
  });

  it('take no more than may wait, and forget who does not wait any more', async () => {
    const pool = new CodecPool({ threads: 1, queuedJobsMax: 2 });
    const stop = new AbortController();
    const running = pool.run(encode());
    const waiting = [pool.run(encode(), stop.signal), pool.run(encode())];
    await expect(pool.run(encode())).rejects.toBeInstanceOf(DicomCodecsBusyError);
    stop.abort(new Error('gone'));
    await expect(waiting[0]).rejects.toThrow('gone');
    const next = pool.run(encode());
    await expect(Promise.all([running, waiting[1], next])).resolves.toHaveLength(3);
  });

  it('hold no more memory than all of them may, one after the other where it is not enough for two', async () => {
    const large = { ...image, rows: 2048, columns: 2048 };
    const frame = () => ({ ...encode(), image: large, samples: noise(8 * 1024 * 1024) }) as const;
    const memoryBytesMax = memoryOf(frame()) * 1.5;
    const pool = new CodecPool({ threads: 2, memoryBytesMax, idleBytesMax: memoryBytesMax });
    let working = 0;
    let most = 0;
    const observed = async (job: CodecJob): Promise<void> => {
      await pool.run(job);
      most = Math.max(most, pool.memoryBytes);
      working++;
    };
    await Promise.all([observed(encode()), observed(frame()), observed(frame()), observed(encode())]);
    expect(working).toBe(4);
    expect(most).toBeLessThanOrEqual(memoryBytesMax);
  });

  it('end a thread that has grown with a large frame, and refuse one that is larger than all may hold', async () => {
    const pool = new CodecPool({ threads: 1, idleBytesMax: memoryOf(encode()) - 1 });
    await pool.run(encode());
    expect(pool.memoryBytes).toBe(0);
    const huge = { ...image, rows: 11_500, columns: 11_500 };
    const decode = { kind: 'decode', decoder: 'decodeJpeg2000', image: huge, encoded: noise(200) } as const;
    await expect(pool.run(decode)).rejects.toMatchObject({ code: 'dicom.pixel-data-unsupported' });
    await expect(pool.run({ ...encode(), image: huge })).rejects.toMatchObject({ code: 'dicom.transcode.too-large' });
  });
});
