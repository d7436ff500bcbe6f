import { describe, expect, it } from 'vitest';
import { type DecodeJob, memoryOf, type PictureJob } from './codec-jobs.js';
import { CodecPool } from './codec-pool.js';
import { greyBytes } from '../../test-support/stored-frames.js';

const picture = (side = 16, format: PictureJob['format'] = 'jpeg'): PictureJob => ({
  kind: 'picture',
  format,
  quality: 90,
  columns: side,
  rows: side,
  channels: 1,
  samples: new Uint8Array(side * side),
});

/** Names of jobs as they are done; all wait at once, behind one that has the first thread. */
async function orderOf(
  threads: number,
  jobs: readonly (readonly [name: string, patient: boolean])[],
): Promise<string[]> {
  const pool = new CodecPool({ threads });
  const done: string[] = [];
  const first = Array.from({ length: threads }, () => pool.run(picture()));
  await Promise.all([
    ...first,
    ...jobs.map(async ([name, patient]) => {
      await pool.run(picture(), undefined, { patient });
      done.push(name);
    }),
  ]);
  return done;
}

describe("the codecs' threads", () => {
  it('serve in turn those that are alike', async () => {
    const jobs = ['a', 'b', 'c', 'd'].map((name) => [name, false] as const);
    expect(await orderOf(1, jobs)).toEqual(['a', 'b', 'c', 'd']);
    expect(
      await orderOf(
        1,
        jobs.map(([name]) => [name, true]),
      ),
    ).toEqual(['a', 'b', 'c', 'd']);
  });

  it('let others go before the patient', async () => {
    const jobs = [['p', true] as const, ...['a', 'b', 'c'].map((name) => [name, false] as const)];
    expect(await orderOf(1, jobs)).toEqual(['a', 'b', 'c', 'p']);
  });

  it('do not let the patient wait for ever', async () => {
    const others = Array.from({ length: 20 }, (_, i) => [`${i}`, false] as const);
    const order = await orderOf(1, [['p', true], ['q', true], ...others]);
    expect(order.indexOf('p')).toBe(8);
    expect(order.indexOf('q')).toBe(17);
    expect(order).toHaveLength(22);
  });

  it('keep one of several threads free of the patient', async () => {
    const pool = new CodecPool({ threads: 2 });
    const done: string[] = [];
    const run = async (name: string, side: number): Promise<void> => {
      await pool.run(picture(side), undefined, { patient: true });
      done.push(name);
    };
    // Were both threads theirs, the small one would be done long before.
    await Promise.all([run('large', 3000), run('small', 16)]);
    expect(done).toEqual(['large', 'small']);
  });

  it('give up the patient that nobody waits for', async () => {
    const pool = new CodecPool({ threads: 1 });
    const gone = new AbortController();
    const busy = pool.run(picture());
    const waiting = pool.run(picture(), gone.signal, { patient: true });
    gone.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await busy;
    expect((await pool.run(picture(), undefined, { patient: true })).bytes.length).toBeGreaterThan(0);
  });

  it('hold the memory of both their modules', async () => {
    const pool = new CodecPool({ threads: 1 });
    const [jpeg, webp] = [picture(64), picture(32, 'webp')];
    await pool.run(picture(32));
    await pool.run(picture(64));
    expect(pool.memoryBytes).toBe(memoryOf(jpeg));
    await pool.run(picture(32, 'webp'));
    expect(pool.memoryBytes).toBe(memoryOf(jpeg) + memoryOf(webp));
  });

  it('are begun anew where what one module holds is what the other needs', async () => {
    const memoryBytesMax = memoryOf(picture(64, 'webp')) + 1;
    const pool = new CodecPool({ threads: 1, memoryBytesMax });
    await pool.run(picture(64));
    // With what the thread holds it would never have room.
    expect((await pool.run(picture(64, 'webp'))).columns).toBe(64);
    expect(pool.memoryBytes).toBe(memoryOf(picture(64, 'webp')));
  });

  it('are given back by a picture that no codec takes', async () => {
    const pool = new CodecPool({ threads: 1 });
    const broken = { ...picture(), samples: new Uint8Array(3) };
    await expect(pool.run(broken, undefined, { patient: true })).rejects.toMatchObject({
      code: 'dicom.transcode.unfit',
    });
    expect((await pool.run(picture(), undefined, { patient: true })).columns).toBe(16);
  });
});

/** A decode job of ten by ten pixels. */
const decode = (encoded: Uint8Array): DecodeJob => ({
  kind: 'decode',
  decoder: 'decodeJpeg',
  image: { ...greyBytes, rows: 10, columns: 10 },
  encoded,
});

/** A JPEG that says of itself that it has so many pixels: its frame header has rows and columns behind the precision. */
async function jpegSaying(pool: CodecPool, side: number): Promise<Uint8Array> {
  const { bytes } = await pool.run(picture(10));
  const file = Buffer.from(bytes);
  const at = file.indexOf('ffc0', 0, 'hex');
  file.writeUInt16BE(side, at + 5);
  file.writeUInt16BE(side, at + 7);
  return new Uint8Array(file);
}

describe('a code stream that is not what was reckoned', () => {
  it('counts for its length, where that is beyond what samples have', () => {
    expect(memoryOf(decode(new Uint8Array(100)))).toBe(memoryOf(decode(new Uint8Array(10))));
    expect(memoryOf(decode(new Uint8Array(1_000_100)))).toBe(memoryOf(decode(new Uint8Array(10))) + 2_000_000);
  });

  it('is stopped when it takes the memory of gigapixels, and costs its own job only', async () => {
    const pool = new CodecPool({ threads: 1 });
    // More than the codecs have from the start, less than they could grow to.
    const bomb = await jpegSaying(pool, 25_000);
    await expect(pool.run(decode(bomb))).rejects.toMatchObject({
      code: 'dicom.pixel-data-broken',
      message: expect.stringContaining('more memory than its frame may'),
    });
    expect(pool.memoryBytes).toBe(0);
    expect((await pool.run(decode(await jpegSaying(pool, 10)))).columns).toBe(10);
  });

  it('ends its thread when it is of another size', async () => {
    const pool = new CodecPool({ threads: 1 });
    const other = await jpegSaying(pool, 16);
    await expect(pool.run(decode(other))).rejects.toMatchObject({ code: 'dicom.pixel-data-broken' });
    expect(pool.memoryBytes).toBe(0);
  });
});
