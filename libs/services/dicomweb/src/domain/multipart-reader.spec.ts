import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from './errors.js';
import { MultipartReader } from './multipart-reader.js';

const limits = { partsMax: 10, partBytesMax: 10_000, bytesMax: 100_000 };

// An async source, as the network gives it.
async function* slices(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Uint8Array, boundary: string, size = 7, bounds = limits) {
  const parts: { type: string | undefined; body: Buffer }[] = [];
  for await (const { headers, body } of new MultipartReader(slices(bytes, size), boundary, bounds).parts()) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(Buffer.from(chunk));
    parts.push({ type: headers.get('content-type'), body: Buffer.concat(chunks) });
  }
  return parts;
}

function write(boundary: string, bodies: readonly Uint8Array[]): Buffer {
  const parts = bodies.flatMap((body) => [
    Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
    body,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
}

describe('MultipartReader', () => {
  it('gives back any bodies, whatever the size of the chunks they come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 50 }),
        async (bodies, size) => {
          const parts = await read(write('b0undary', bodies), 'b0undary', size);
          expect(parts.map(({ body }) => body.toString('hex'))).toEqual(
            bodies.map((body) => Buffer.from(body).toString('hex')),
          );
        },
      ),
      { seed: 6, numRuns: 200 },
    );
  });

  it('does not take a look-alike of the boundary for one', async () => {
    const body = Buffer.from('\r\n--boundar\r\n-boundary\r--boundary\n--boundary');
    expect((await read(write('boundary', [body]), 'boundary', 3))[0]?.body.toString()).toBe(body.toString());
  });

  it('skips a preamble and what a consumer leaves unread', async () => {
    const bytes = Buffer.concat([
      Buffer.from('preamble\r\n'),
      write('b', [Buffer.alloc(500, 1), Buffer.from('second')]),
    ]);
    const types: string[] = [];
    for await (const { headers } of new MultipartReader(slices(bytes, 11), 'b', limits).parts())
      types.push(headers.get('content-type') ?? '');
    expect(types).toEqual(['application/dicom', 'application/dicom']);
  });

  it('goes on with the next part when a consumer gives up in the middle of one', async () => {
    const bytes = write('b', [Buffer.alloc(500, 1), Buffer.from('second'), Buffer.alloc(500, 3)]);
    const firsts: number[] = [];
    for await (const { body } of new MultipartReader(slices(bytes, 11), 'b', limits).parts()) {
      for await (const chunk of body) {
        firsts.push(chunk[0] ?? 0);
        break;
      }
    }
    expect(firsts).toEqual([1, 's'.charCodeAt(0), 3]);
  });

  it('reads folded headers and any case', async () => {
    const bytes = Buffer.from('--b\r\nCONTENT-type: application/dicom;\r\n transfer-syntax=1.2\r\n\r\nx\r\n--b--');
    expect((await read(bytes, 'b'))[0]).toEqual({
      type: 'application/dicom; transfer-syntax=1.2',
      body: Buffer.from('x'),
    });
  });

  it.each([
    ['nothing', ''],
    ['another boundary', '--other\r\n\r\nx\r\n--other--'],
    ['no closing boundary', '--b\r\nContent-Type: application/dicom\r\n\r\nxxxx'],
    ['no end of headers', '--b\r\nContent-Type: application/dicom'],
    ['a header without colon', '--b\r\nnonsense\r\n\r\nx\r\n--b--'],
    ['rubbish after the boundary', '--bXX\r\n\r\nx\r\n--b--'],
  ])('refuses %s', async (_name, text) => {
    await expect(read(Buffer.from(text), 'b')).rejects.toBeInstanceOf(BadRequestError);
  });

  it.each([
    ['parts', { ...limits, partsMax: 1 }],
    ['bytes of a part', { ...limits, partBytesMax: 10 }],
    ['bytes of the request', { ...limits, bytesMax: 50 }],
  ])('stops at too many %s', async (_name, bounds) => {
    await expect(read(write('b', [Buffer.alloc(50), Buffer.alloc(50)]), 'b', 7, bounds)).rejects.toBeInstanceOf(
      TooLargeError,
    );
  });

  it('stops at endless headers', async () => {
    const bytes = Buffer.concat([Buffer.from('--b\r\n'), Buffer.alloc(40_000, 0x61)]);
    await expect(read(bytes, 'b', 1000)).rejects.toBeInstanceOf(TooLargeError);
  });

  it.each(['', ' ', 'a'.repeat(71), 'a\r\nb', 'ä'])('refuses the boundary %j', (boundary) => {
    expect(() => new MultipartReader(slices(Buffer.alloc(0), 1), boundary, limits)).toThrow(BadRequestError);
  });
});
