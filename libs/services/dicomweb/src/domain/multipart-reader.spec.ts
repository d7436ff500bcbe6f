import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from './errors/door.js';
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

  it('gives the chunks of a body as they come, without copying them', async () => {
    const chunks = [Buffer.from('--b\r\n\r\n'), Buffer.alloc(64, 0x0d), Buffer.alloc(64, 7), Buffer.from('\r\n--b--')];
    const source = (async function* () {
      for (const chunk of chunks) yield await Promise.resolve(chunk);
    })();
    const got: Uint8Array[] = [];
    for await (const { body } of new MultipartReader(source, 'b', limits).parts())
      for await (const chunk of body) got.push(chunk);
    // The last carriage return of the first may begin a delimiter: it comes with what follows.
    expect(got.map(({ length }) => length)).toEqual([63, 65]);
    expect(got[0]?.buffer).toBe(chunks[1]?.buffer);
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

  it.each([1, 70, 73, 200])(
    'reads with a boundary of %i characters, also where one of its beginnings is in a body',
    async (length) => {
      const boundary = 'b'.repeat(length);
      const body = Buffer.from(`\r\n--${boundary.slice(1)}\r\n-${boundary}\n--${boundary}`);
      expect((await read(write(boundary, [body]), boundary, 11))[0]?.body.equals(body)).toBe(true);
    },
  );

  it('takes lines that end with a line feed alone for the body they may be', async () => {
    const body = Buffer.from('first\n--b\nsecond\n--b--\n');
    expect((await read(write('b', [body]), 'b'))[0]?.body.equals(body)).toBe(true);
    await expect(read(Buffer.from('--b\nContent-Type: text/plain\n\nx\n--b--\n'), 'b')).rejects.toThrow(
      BadRequestError,
    );
  });

  it('leaves what stands behind the close unread', async () => {
    const bytes = Buffer.concat([write('b', [Buffer.from('x')]), Buffer.alloc(500, 0x2d)]);
    expect(await read(bytes, 'b')).toHaveLength(1);
  });

  it('is cut off wherever a request ends early', async () => {
    const whole = write('b', [Buffer.from('first'), Buffer.from('second')]);
    for (let length = 0; length < whole.length - '--\r\n'.length; length++)
      await expect(read(whole.subarray(0, length), 'b', 5), String(length)).rejects.toBeInstanceOf(BadRequestError);
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

  it.each(['', ' ', 'a ', 'a'.repeat(201), 'a\r\nb', 'ä'])('refuses the boundary %j', (boundary) => {
    expect(() => new MultipartReader(slices(Buffer.alloc(0), 1), boundary, limits)).toThrow(BadRequestError);
  });
});
