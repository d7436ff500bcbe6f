import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { BadRequestError } from '../../domain/errors/door.js';
import { SlowRequestError } from '../../domain/errors/store.js';
import { type BodyBounds, bodyBounds, RequestBody } from './request-body.js';

const pace: BodyBounds = { ...bodyBounds, paceBytes: 100, everyMs: 200 };

async function read(body: RequestBody, eachMs = 0): Promise<number> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    await sleep(eachMs);
  }
  return bytes;
}

describe('RequestBody', () => {
  it('gives up a sender that brings a byte now and then', async () => {
    const stream = new PassThrough();
    const drip = setInterval(() => stream.write('x'), 10);
    const begun = performance.now();
    await expect(read(new RequestBody(stream, pace))).rejects.toBeInstanceOf(SlowRequestError);
    clearInterval(drip);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  it('goes on with one that is slow, and brings enough', async () => {
    const stream = new PassThrough();
    const body = read(new RequestBody(stream, pace));
    for (let i = 0; i < 10; i++) {
      stream.write(Buffer.alloc(100));
      await sleep(50);
    }
    stream.end();
    expect(await body).toBe(1_000);
  });

  it('does not count the time in which nobody asks for more', async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    for (let i = 0; i < 6; i++) stream.write('x');
    stream.end();
    // Four times as long as a sender may be silent, and all of it is ours.
    expect(await read(new RequestBody(stream, { ...bodyBounds, paceBytes: 1_000, everyMs: 100 }), 70)).toBe(6);
  });

  it('says that the request is cut off where its connection is', async () => {
    const stream = new PassThrough();
    stream.write('x');
    const body = read(new RequestBody(stream, pace));
    stream.destroy(new Error('aborted'));
    await expect(body).rejects.toBeInstanceOf(BadRequestError);
  });

  it('can be drained by somebody else than who read its beginning', async () => {
    const stream = new PassThrough();
    stream.end(Buffer.alloc(1_000));
    const body = new RequestBody(stream, pace);
    for await (const _chunk of body) break;
    expect(await body.drain()).toBe(true);
    expect(stream.readableEnded).toBe(true);
  });

  it('of which nobody has read anything is not waited for beyond what is on its way', async () => {
    const short = new PassThrough();
    const body = new RequestBody(short, { ...bodyBounds, untouchedMs: 2_000 });
    setTimeout(() => short.end('short'), 5);
    expect(await body.drain()).toBe(true);
    const slow = new PassThrough();
    const drip = setInterval(() => slow.write('x'), 5);
    const begun = performance.now();
    expect(await new RequestBody(slow).drain()).toBe(false);
    clearInterval(drip);
    expect(performance.now() - begun).toBeLessThan(bodyBounds.leftoverMs / 2);
  });

  it.each([
    ['more bytes', { leftoverBytesMax: 1_000 }],
    ['more time', { leftoverMs: 50 }],
  ])('that has %s than is read before the answer is read on behind it', async (_what, bounds) => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const body = new RequestBody(stream, { ...bodyBounds, ...bounds });
    stream.write('x');
    for await (const _chunk of body) break;
    const sent = (async () => {
      for (let i = 0; i < 20; i++) {
        if (!stream.write(Buffer.alloc(100))) await once(stream, 'drain');
        await sleep(10);
      }
      stream.end();
    })();
    expect(await body.drain()).toBe(false);
    expect(stream.readableEnded).toBe(false);
    const answer: string[] = [];
    for await (const bytes of body.answerBefore(Buffer.from('answer'))) answer.push(String(bytes));
    expect(answer).toEqual(['answer']);
    expect(stream.readableEnded).toBe(true);
    await sent;
  });

  it('that always has more is left when its time is over', async () => {
    const until = performance.now() + 2_000;
    const stream = Readable.from(
      (function* () {
        while (performance.now() < until) yield Buffer.alloc(1_000);
      })(),
    );
    const body = new RequestBody(stream, { ...bodyBounds, untouchedMs: 20, leftoverBytesMax: Infinity });
    expect(await body.drain()).toBe(false);
  });

  it('is read on for so long, and not longer', async () => {
    const stream = new PassThrough();
    const body = new RequestBody(stream, { ...bodyBounds, leftoverMs: 20, lingerMs: 50 });
    const drip = setInterval(() => stream.write('x'), 5);
    for await (const _chunk of body) break;
    expect(await body.drain()).toBe(false);
    const begun = performance.now();
    for await (const _bytes of body.answerBefore(Buffer.from('answer')));
    clearInterval(drip);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(stream.readableEnded).toBe(false);
  });
});
