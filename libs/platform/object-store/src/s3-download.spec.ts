import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import { type S3Answer, S3Download } from './s3-download.js';

const bytes = Buffer.from('0123456789');

/** An answer that gives so many bytes and ends with this error. */
const broken = (count: number, error: Error, isWhole = false): S3Answer => {
  const pieces = async function* () {
    yield await Promise.resolve(bytes.subarray(0, count));
    throw error;
  };
  return { body: Readable.from(pieces(), { objectMode: false }), isWhole };
};
const rest = (asked: number[]) => (from: number) => {
  asked.push(from);
  return Promise.resolve({ body: Readable.from([bytes.subarray(from)], { objectMode: false }), isWhole: false });
};
const reset = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });

describe('an object that is read from S3', () => {
  it('is read on where its connection was lost', async () => {
    const asked: number[] = [];
    expect((await buffer(new S3Download(broken(7, reset), rest(asked)))).equals(bytes)).toBe(true);
    expect(asked).toEqual([7]);
  });

  it('is an error where its bytes are wrong, though all of them came', async () => {
    const asked: number[] = [];
    const mismatch = new Error('Checksum mismatch: expected "a" but received "b"');
    await expect(buffer(new S3Download(broken(10, mismatch), rest(asked)))).rejects.toBe(mismatch);
    expect(asked).toEqual([]);
  });

  it('is an error where it was lost and only a whole answer could be verified', async () => {
    const asked: number[] = [];
    await expect(buffer(new S3Download(broken(7, reset, true), rest(asked)))).rejects.toBe(reset);
    expect(asked).toEqual([]);
  });
});
