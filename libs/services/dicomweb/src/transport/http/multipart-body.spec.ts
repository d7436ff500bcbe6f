import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { multipartParts } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import { exactly, WrongLengthError } from './exactly.js';
import { type BodyPart, multipartBody } from './multipart-body.js';

const type = 'application/octet-stream';
const contents = ['one', '', 'three\r\n--', 'x'.repeat(200_000)].map((text) => Buffer.from(text));
const streamOf = (bytes: Uint8Array): Readable => Readable.from([bytes], { objectMode: false });

function partsOf(of: readonly Buffer[] = contents, byteCounts: readonly (number | undefined)[] = []) {
  const opened: Readable[] = [];
  const parts = of.map((bytes, at): BodyPart => {
    const byteCount = at in byteCounts ? byteCounts[at] : bytes.length;
    return {
      contentType: type,
      location: `https://pacs.example/dicom-web/frames/${String(at + 1)}`,
      ...(byteCount === undefined ? {} : { byteCount }),
      open: () => {
        const stream = streamOf(bytes);
        opened.push(stream);
        return Promise.resolve(stream);
      },
    };
  });
  return { parts, opened };
}

async function* later(parts: readonly BodyPart[]): AsyncGenerator<BodyPart> {
  for (const part of parts) yield await Promise.resolve(part);
}

describe('a multipart body', () => {
  it.each([false, true])('holds each part, and is as long as it said (ahead: %s)', async (ahead) => {
    const { parts, opened } = partsOf();
    const body = multipartBody(type, parts, { ahead });
    const bytes = await buffer(await body.open());
    expect(bytes).toHaveLength(body.byteCount ?? -1);
    expect(multipartParts(body.contentType, bytes).map((part) => Buffer.from(part.bytes))).toEqual(contents);
    expect(opened).toHaveLength(contents.length);
    for (let n = 1; n <= contents.length; n++)
      expect(bytes.includes(`\r\nContent-Location: https://pacs.example/dicom-web/frames/${String(n)}\r\n\r\n`)).toBe(
        true,
      );
  });

  it('says no length where it is not known of each part, or the parts are not there yet', async () => {
    expect(multipartBody(type, partsOf(contents, [undefined]).parts).byteCount).toBeUndefined();
    const { parts } = partsOf();
    const body = multipartBody(type, later(parts));
    expect(body.byteCount).toBeUndefined();
    expect(multipartParts(body.contentType, await buffer(await body.open()))).toHaveLength(contents.length);
  });

  it.each([
    ['longer', 4],
    ['shorter', 2],
  ])('breaks where a part is not as long as was said (%s)', async (_, byteCount) => {
    const { parts } = partsOf([Buffer.from('one'), Buffer.from('two')], [3, byteCount]);
    await expect(buffer(await multipartBody(type, parts).open())).rejects.toBeInstanceOf(WrongLengthError);
  });

  it('closes a part that is longer than was said at once, while the next is sent', async () => {
    // Its second piece is what was not said.
    const longer = Readable.from([Buffer.from('one'), Buffer.from('more'), Buffer.from('and more')], {
      highWaterMark: 1,
    });
    const { parts } = partsOf([Buffer.from('one'), Buffer.from('two')]);
    const [one, two] = parts as [BodyPart, BodyPart];
    const slow = new Readable({ read: () => undefined });
    const body = multipartBody(type, [
      { ...one, open: () => Promise.resolve(longer) },
      { ...two, open: () => Promise.resolve(slow) },
    ]);
    const answer = await body.open();
    const read = buffer(answer);
    await expect.poll(() => longer.destroyed).toBe(true);
    expect([slow.destroyed, answer.destroyed]).toEqual([false, false]);
    slow.push('two');
    slow.push(null);
    await expect(read).rejects.toBeInstanceOf(WrongLengthError);
  });

  it('opens the part behind the one that is sent, and no more', async () => {
    const large = Array.from({ length: 5 }, () => Buffer.alloc(300_000));
    for (const [ahead, expected] of [
      [true, 2],
      [false, 1],
    ] as const) {
      const { parts, opened } = partsOf(large);
      const body = await multipartBody(type, parts, { ahead }).open();
      body.read(1);
      await expect.poll(() => opened.length).toBe(expected);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(opened).toHaveLength(expected);
      body.destroy();
      // What was opened ahead is let go too, and what was begun.
      await expect.poll(() => opened.every(({ destroyed }) => destroyed)).toBe(true);
      expect(opened).toHaveLength(expected);
    }
  });

  it('lets the first part go where it is never read', async () => {
    const { parts, opened } = partsOf();
    (await multipartBody(type, parts, { ahead: true }).open()).destroy();
    await expect.poll(() => opened.map(({ destroyed }) => destroyed)).toEqual([true]);
  });

  it('fails with what a part fails with, also one that was opened ahead', async () => {
    for (const ahead of [false, true]) {
      const { parts } = partsOf();
      const [one, two] = parts as [BodyPart, BodyPart];
      const broken = { ...two, open: () => Promise.reject(new Error('away')) };
      await expect(buffer(await multipartBody(type, [one, broken], { ahead }).open())).rejects.toThrow('away');
      await expect(multipartBody(type, [broken, one], { ahead }).open()).rejects.toThrow('away');
    }
  });

  it('fails in its turn with a part that fails while the one before it is sent', async () => {
    const failing = new Readable({ read: (): void => void failing.destroy(new Error('away')) });
    const { parts } = partsOf([Buffer.alloc(300_000), Buffer.from('two')]);
    const [one, two] = parts as [BodyPart, BodyPart];
    const body = multipartBody(type, [one, { ...two, open: () => Promise.resolve(failing) }], { ahead: true });
    const answer = await body.open();
    answer.read(1);
    await expect.poll(() => failing.destroyed).toBe(true);
    // An error event that nobody hears is one of the process in the next turns.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(buffer(answer)).rejects.toThrow('away');
  });

  it('reads what is there ahead of its turn, and opens nothing that is made as it is read', async () => {
    for (const byteCount of [3, undefined]) {
      const made = Readable.from([Buffer.from('two')]);
      const { parts } = partsOf([Buffer.alloc(300_000), Buffer.from('two')], [300_000, byteCount]);
      const [one, two] = parts as [BodyPart, BodyPart];
      let opened = 0;
      const open = (): Promise<Readable> => {
        opened++;
        return Promise.resolve(made);
      };
      const answer = await multipartBody(type, [one, { ...two, open }], { ahead: true }).open();
      answer.read(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(opened).toBe(byteCount === undefined ? 0 : 1);
      expect(String((await buffer(answer)).subarray(-60))).toContain('two');
    }
  });

  it('begins what only its turn tells when the part before it has been read, and says of it what it is then', async () => {
    const { parts } = partsOf([Buffer.alloc(300_000), Buffer.from('two')], [300_000, 3]);
    const [one, two] = parts as [BodyPart, BodyPart];
    let begun = 0;
    const begin = (): Promise<BodyPart> => {
      begun++;
      return Promise.resolve({ ...two, contentType: 'application/found-out' });
    };
    const mixed = async function* () {
      yield one;
      yield { begin };
    };
    const answer = await multipartBody(type, mixed(), { ahead: true }).open();
    answer.read(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(begun).toBe(0);
    expect(String((await buffer(answer)).subarray(-200))).toMatch(/application\/found-out\r\n.*\r\n\r\ntwo\r\n/s);
    expect(begun).toBe(1);
    const failing = async function* () {
      yield one;
      yield { begin: () => Promise.reject(new Error('away')) };
    };
    await expect(buffer(await multipartBody(type, failing(), { ahead: true }).open())).rejects.toThrow('away');
  });

  it('of no parts ends at once', async () => {
    const body = multipartBody(type, []);
    const bytes = await buffer(await body.open());
    expect(bytes).toHaveLength(body.byteCount ?? -1);
    expect(String(bytes)).toMatch(/^--callosum-[0-9a-f-]{36}--\r\n$/);
  });
});

describe('a body whose length was said', () => {
  it('passes as it is, and lets go of what it is made of', async () => {
    const source = streamOf(Buffer.from('four'));
    expect(String(await buffer(exactly(source, 4)))).toBe('four');
    expect(source.destroyed).toBe(true);
    const unread = streamOf(Buffer.from('four'));
    exactly(unread, 4).destroy();
    await expect.poll(() => unread.destroyed).toBe(true);
  });

  it.each([3, 5])('of another length is none (%i)', async (byteCount) => {
    await expect(buffer(exactly(streamOf(Buffer.from('four')), byteCount))).rejects.toBeInstanceOf(WrongLengthError);
  });
});
