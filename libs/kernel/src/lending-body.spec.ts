import { once } from 'node:events';
import { createServer, type IncomingMessage, request, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn, setTimeout as after } from 'node:timers/promises';
import { createGzip, gunzipSync } from 'node:zlib';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { LendingBody, type Pieces, piecesOf } from './lending-body.js';

const closings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closings.splice(0)) await close();
});

/** What a server answers whose body is piped, not read yet. */
const answerOf = (body: Readable, headers: Record<string, string> = {}): Promise<IncomingMessage> =>
  answerBy((response) => {
    body.on('error', () => response.destroy());
    response.on('close', () => body.destroy());
    body.pipe(response.writeHead(200, headers));
  });

async function answerBy(answers: (response: ServerResponse) => void): Promise<IncomingMessage> {
  const server = createServer((_request, response) => answers(response)).listen(0, '127.0.0.1');
  closings.push(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  await once(server, 'listening');
  const asked = request({ port: (server.address() as AddressInfo).port, agent: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer.on('error', () => undefined);
}

/** Bytes that tell which piece they are of. */
const filled = (bytes: Buffer, number: number): Buffer => bytes.fill(number % 251);

/** Pieces of one buffer, which is written over for each: what an unwary reader would show. */
function counted(sizes: readonly number[], log: string[] = []) {
  return async function* (isLent: boolean): Pieces {
    const only = Buffer.alloc(Math.max(...sizes, 1));
    log.push(isLent ? 'lent' : 'kept');
    try {
      for (const [number, size] of sizes.entries()) {
        await turn();
        const one = isLent ? only : Buffer.alloc(size);
        yield filled(one.subarray(0, size), number);
        log.push(`done ${String(number)}`);
      }
      if (isLent) only.fill(255);
    } finally {
      log.push('closed');
    }
  };
}
const expected = (sizes: readonly number[]): Buffer =>
  Buffer.concat(sizes.map((size, number) => filled(Buffer.alloc(size), number)));

const large = 3 * 1024 * 1024;
const mixed = [
  1,
  40,
  large,
  0,
  200_000,
  16_384,
  16_385,
  5,
  large,
  7,
  ...Array.from({ length: 300 }, () => 999),
  70_000,
];

describe('a body that lends its pieces', () => {
  it.each([
    ['chunked', {}],
    ['of a length that is said', { 'content-length': String(expected(mixed).length) }],
  ])('arrives as it is, piped to a client that takes its time (%s)', async (_, headers) => {
    const log: string[] = [];
    const answer = await answerOf(new LendingBody(counted(mixed, log)), headers);
    const got: Buffer[] = [];
    for await (const some of answer as AsyncIterable<Buffer>) {
      got.push(some);
      if (got.length % 20 === 0) await after(1);
    }
    expect(Buffer.concat(got).equals(expected(mixed))).toBe(true);
    expect([log[0], log.at(-1)]).toEqual(['lent', 'closed']);
  });

  it('joins small pieces of a turn, and sends them before what is larger', async () => {
    const written = vi.spyOn(ServerResponse.prototype, 'write');
    const sizes = [10, 20, 0, 30, 100_000, 16_384, 16_385, ...Array.from({ length: 300 }, () => 999), 5];
    const only = Buffer.alloc(100_000);
    const all = async function* (): Pieces {
      for (const [number, size] of sizes.entries()) yield await Promise.resolve(filled(only.subarray(0, size), number));
    };
    const answer = await answerOf(new LendingBody(all));
    expect((await buffer(answer)).equals(expected(sizes))).toBe(true);
    const lengths = written.mock.calls.map(([piece]) => (piece as Buffer).length);
    expect(lengths.slice(0, 4)).toEqual([60, 100_000, 16_384, 16_385]);
    // 64 KiB each time, and what they have no room for.
    expect(lengths.length).toBeLessThan(4 + 12);
  });

  it('of small pieces that come one by one keeps what its client has not taken', async () => {
    const sizes = Array.from({ length: 4_000 }, () => 16_000);
    const log: string[] = [];
    const answer = await answerOf(new LendingBody(counted(sizes, log)));
    await after(200);
    const read = log.length;
    expect(read).toBeLessThan(sizes.length);
    expect((await buffer(answer)).equals(expected(sizes))).toBe(true);
  });

  it('leaves the end to whoever wants to say it', async () => {
    const answer = await answerBy((response) => {
      const body = new LendingBody(counted([10, 100_000, 20]));
      body.on('end', () => setTimeout(() => response.end('more'), 10)).pipe(response, { end: false });
    });
    const whole = Buffer.concat([expected([10, 100_000, 20]), Buffer.from('more')]);
    expect((await buffer(answer)).equals(whole)).toBe(true);
  });

  it('says nothing behind the end of who gave it up', async () => {
    const errors: unknown[] = [];
    // So much that it has not left when the turn ends.
    const end = Buffer.alloc(4 * large, 'end');
    const answer = await answerBy((response) => {
      response.on('error', (error) => errors.push(error));
      const hanging = async function* (): Pieces {
        yield Buffer.from('said');
        await after(50);
      };
      const body = new LendingBody(hanging);
      // Before what was said leaves, which is at the end of the turn.
      setImmediate(() => {
        body.destroy();
        response.end(end);
      });
      body.pipe(response);
    });
    expect((await buffer(answer)).equals(end)).toBe(true);
    await after(60);
    expect(errors).toEqual([]);
  });

  it('is not read further than its client takes', async () => {
    const log: string[] = [];
    const answer = await answerOf(
      new LendingBody(
        counted(
          Array.from({ length: 60 }, () => large),
          log,
        ),
      ),
    );
    await after(200);
    // What two sockets hold.
    expect(log.length).toBeLessThan(20);
    answer.destroy();
    await expect.poll(() => log.at(-1)).toBe('closed');
    expect(log.length).toBeLessThan(21);
  });

  it('that fails in the middle sends what came before, and no end', async () => {
    const failing = async function* (): Pieces {
      yield Buffer.from('what came');
      await turn();
      throw new Error('the store is away');
    };
    const answer = await answerOf(new LendingBody(failing));
    await expect(buffer(answer)).rejects.toThrow('aborted');
  });

  it('that is destroyed in the middle sends no end', async () => {
    const log: string[] = [];
    const body = new LendingBody(counted([20_000, 20_000, 20_000], log));
    const answer = await answerOf(body);
    body.destroy(new Error('given up'));
    await expect(buffer(answer)).rejects.toThrow('aborted');
    await expect.poll(() => log.at(-1)).toBe('closed');
  });

  it('gives pieces that stay to every other reader', async () => {
    const log: string[] = [];
    expect((await buffer(new LendingBody(counted(mixed, log)))).equals(expected(mixed))).toBe(true);
    const zipped = createGzip();
    pipeline(new LendingBody(counted(mixed, log)), zipped, () => undefined);
    expect(gunzipSync(await buffer(zipped)).equals(expected(mixed))).toBe(true);
    expect(log.filter((line) => line === 'kept')).toHaveLength(2);
  });

  it('is read by others no further than its high-water mark', async () => {
    const log: string[] = [];
    const body = new LendingBody(counted([10, 10, 10, 10, 10], log), 20);
    body.read(0);
    await after(20);
    expect(log).toEqual(['kept', 'done 0']);
    expect(await buffer(body)).toHaveLength(50);
    const closed = new LendingBody(counted([10, 10, 10], log), 10);
    closed.read(0);
    await after(20);
    closed.destroy();
    await expect.poll(() => log.slice(-2)).toEqual(['kept', 'closed']);
  });

  it('read by hand, lends through bodies that are made of it, and fails when it is destroyed', async () => {
    const log: string[] = [];
    const inner = new LendingBody(counted(mixed, log)).on('end', () => log.push('ended'));
    const outer = new LendingBody((isLent) => piecesOf(inner, isLent) as Pieces);
    expect((await buffer(await answerOf(outer))).equals(expected(mixed))).toBe(true);
    await expect.poll(() => inner.destroyed).toBe(true);
    expect([log[0], log.at(-1)]).toEqual(['lent', 'ended']);

    const cut = new LendingBody(counted([1, 1, 1]));
    const pieces = cut.lent();
    await pieces.next();
    cut.destroy();
    await expect(pieces.next()).rejects.toThrow('closed before its end');
  });

  it('and one that lends nothing is read all the same', async () => {
    const pieces: string[] = [];
    for await (const piece of piecesOf(Readable.from([Buffer.from('as'), Buffer.from('it is')]), true))
      pieces.push(Buffer.from(piece).toString());
    expect(pieces.join(' ')).toBe('as it is');
  });
});
