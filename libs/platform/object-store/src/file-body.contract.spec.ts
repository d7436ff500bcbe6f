import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { FileBody } from './file-body.js';

const readBytes = 288 * 1024;
const content = randomFillSync(Buffer.alloc(5 * readBytes + 17));
let folder: string;
let path: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'callosum-body-'));
  path = join(folder, 'object');
  writeFileSync(path, content);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bodyOf = async (start: number, end: number): Promise<FileBody> => new FileBody(await open(path), { start, end });

/** What comes of one that lends, each piece copied before the next is asked for. */
async function borrowed(body: FileBody): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body.lent()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const edges = [0, 1, 2, 31 * 1024, 32 * 1024, readBytes - 1, readBytes, readBytes + 1, 2 * readBytes, content.length];
const extent = fc
  .tuple(
    fc.oneof(fc.constantFrom(...edges), fc.nat(content.length)),
    fc.oneof(fc.constantFrom(...edges, Infinity), fc.nat(content.length + 1000)),
  )
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));

describe('a file, or a range of it', () => {
  it('is the same lent and not, also of several at once that share buffers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ extent, isLent: fc.boolean() }), { minLength: 1, maxLength: 5 }),
        async (all) => {
          const got = await Promise.all(
            all.map(async ({ extent: { start, end }, isLent }) => {
              const body = await bodyOf(start, end);
              return isLent ? borrowed(body) : buffer(body);
            }),
          );
          for (const [at, { extent }] of all.entries())
            expect(got[at]?.equals(content.subarray(extent.start, extent.end))).toBe(true);
        },
      ),
      { seed: 14, numRuns: 150 },
    );
  });

  it('gives a buffer to no other while whoever left it in the middle may still have it', async () => {
    const left = (await bodyOf(0, Infinity)).lent();
    const { value: piece } = await left.next();
    await left.return();
    const before = Buffer.from(piece ?? Buffer.alloc(0));
    for (let n = 0; n < 40; n++) await borrowed(await bodyOf(readBytes + n, Infinity));
    expect(before.equals(content.subarray(0, readBytes))).toBe(true);
    expect(piece && before.equals(piece)).toBe(true);
  });

  it('gives pieces of its own that keep little more than themselves', async () => {
    const small = join(folder, 'small');
    writeFileSync(small, content.subarray(0, 100));
    for (const [of, byteCount] of [
      [small, 100],
      [path, content.length],
    ] as const) {
      const body = new FileBody(await open(of), { start: 0, end: Infinity });
      const pieces = (await body.toArray()) as Buffer[];
      expect(Buffer.concat(pieces).equals(content.subarray(0, byteCount))).toBe(true);
      const kept = new Set(pieces.map((piece) => piece.buffer));
      // Short ones may share a pool of Node's.
      expect([...kept].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(byteCount + 100_000);
    }
  });

  it('closes its file when it has ended, when it is left, and when it is destroyed unread', async () => {
    for (const leave of [
      (body: FileBody) => borrowed(body),
      (body: FileBody) => buffer(body),
      async (body: FileBody) => {
        const pieces = body.lent();
        await pieces.next();
        await pieces.return();
      },
      (body: FileBody) => Promise.resolve(body.destroy()),
    ]) {
      const file = await open(path);
      await leave(new FileBody(file, { start: 0, end: Infinity }));
      await expect.poll(() => file.fd).toBe(-1);
    }
  });

  it('fails with what reading fails with, lent and not', async () => {
    const folderOf = async (): Promise<FileBody> => new FileBody(await open(folder), { start: 0, end: Infinity });
    await expect(borrowed(await folderOf())).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(buffer(await folderOf())).rejects.toMatchObject({ code: 'EISDIR' });
  });
});
