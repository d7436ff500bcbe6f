import { createServer, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { S3ObjectStore, type S3ObjectStoreOptions } from './index.js';

/** As slow as it is told to be, with bodies of more than sockets hold. */
class SlowServer {
  answerMs = 0;
  /** Until an answer begins. */
  silentMs = 0;
  /** Bytes of an answer behind which nothing comes any more. */
  stopAfter = Infinity;
  readonly #server: Server;
  #connections = 0;
  #most = 0;
  #running = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#most = Math.max(this.#most, ++this.#running);
      response.once('close', () => this.#running--);
      request.resume().once('end', () => {
        const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
        if (request.method === 'GET')
          return void setTimeout(() => sendAll(response, from, this.stopAfter), this.silentMs);
        setTimeout(() => response.writeHead(200, { etag: '"x"' }).end(), request.method === 'PUT' ? this.answerMs : 0);
      });
    });
    this.#server.on('connection', () => this.#connections++);
  }

  /** Connections made to it since it began. */
  get connections(): number {
    return this.#connections;
  }

  /** Requests that ran at once, at most. */
  get most(): number {
    return this.#most;
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const bodyBytes = 64 * 1024 * 1024;
/** Each mebibyte of it is filled with its number. */
const pieceBytes = 1024 * 1024;

function sendAll(response: ServerResponse, from: number, stopAfter: number): void {
  const range = from === 0 ? {} : { 'content-range': `bytes ${from}-${bodyBytes - 1}/${bodyBytes}` };
  response.writeHead(from === 0 ? 200 : 206, { 'content-length': bodyBytes - from, ...range });
  let at = from;
  const more = (): void => {
    while (!response.destroyed && at < bodyBytes) {
      if (at >= stopAfter) return;
      const piece = Buffer.alloc(Math.min(pieceBytes - (at % pieceBytes), bodyBytes - at), Math.floor(at / pieceBytes));
      at += piece.length;
      if (!response.write(piece)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
}

/** Whether it is what the server gives, whole. */
async function isWhole(body: Readable): Promise<boolean> {
  const bytes = await buffer(body);
  const numbers = Array.from({ length: bodyBytes / pieceBytes }, (_, number) => number);
  const isPiece = (number: number): boolean =>
    bytes.subarray(number * pieceBytes, (number + 1) * pieceBytes).every((byte) => byte === number);
  return bytes.length === bodyBytes && numbers.every(isPiece);
}

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield Promise.resolve(bytes);
}

describe('many requests to S3 at once', () => {
  let server: SlowServer;
  let endpoint: string;
  const open = (options: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore =>
    new S3ObjectStore({
      endpoint,
      region: 'here',
      bucket: 'callosum',
      accessKeyId: 'a',
      secretAccessKey: 'b',
      checksum: 'none',
      ...options,
    });

  beforeEach(async () => {
    server = new SlowServer();
    endpoint = await server.listen();
  });
  afterEach(() => server.close());

  it('all reach a slow server: none is refused because others wait for their answers', async () => {
    server.answerMs = 3_500;
    const store = open({ attemptsMax: 1, connectTimeoutMs: 2_500 });
    const puts = Array.from({ length: 128 }, (_, n) => store.put(`slow/${n}`, one(Buffer.from('an object'))));
    const outcomes = await Promise.allSettled(puts);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(server.most).toBe(128);
  });

  it('do not keep the question whether it is there from being answered', async () => {
    const store = open({ connectionsMax: 64 });
    const unread = await Promise.all(Array.from({ length: 64 }, (_, n) => store.get(`unread/${n}`)));
    const asked = Date.now();
    await store.ping();
    expect(Date.now() - asked).toBeLessThan(10_000);
    for (const body of unread) body.destroy();
  });

  it('are cut where nobody takes the answer, their connections serve others, and who reads on gets the rest', async () => {
    const store = open({ connectionsMax: 1, requestTimeoutMs: 500 });
    const unread = await store.get('unread');
    const begun = await (async () => {
      await store.head('another');
      return store.get('begun');
    })();
    begun.pause();
    await once(begun, 'readable');
    const first = begun.read() as Buffer;
    expect(first.length).toBeGreaterThan(0);
    await store.head('another');
    expect([unread.destroyed, begun.destroyed]).toEqual([false, false]);
    expect(await isWhole(unread)).toBe(true);
    expect(first.length + (await buffer(begun)).length).toBe(bodyBytes);
  });

  it('end with an error where the server stands still while its bytes are waited for', async () => {
    const store = open({ requestTimeoutMs: 500 });
    server.stopAfter = 3 * pieceBytes;
    await expect(buffer(await store.get('half'))).rejects.toThrow(/timed out/);
  });

  it('share the connections there may be, also for objects of more than two mebibytes', async () => {
    server.answerMs = 50;
    const store = open({ connectionsMax: 4 });
    await Promise.all(
      Array.from({ length: 12 }, (_, n) => store.put(`large/${n}`, one(Buffer.alloc(3 * 1024 * 1024)))),
    );
    expect(server.most).toBeLessThanOrEqual(4);
    expect(server.connections).toBeLessThanOrEqual(4);
  });

  it('give their connection back when who asked has gone, also before an answer', async () => {
    const store = open({ connectionsMax: 1, checksum: 'CRC32' });
    server.silentMs = 60_000;
    const silent = new AbortController();
    const asked = store.get('silent', undefined, silent.signal);
    await expect.poll(() => server.most).toBe(1);
    silent.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    server.silentMs = 0;
    const unread = new AbortController();
    const body = await store.get('unread', undefined, unread.signal);
    unread.abort();
    await store.head('another');
    expect(body.destroyed).toBe(true);
  });

  it('give their connection back when the answer is given up', async () => {
    const store = open({ connectionsMax: 1 });
    for (let n = 0; n < 3; n++) (await store.get(`left/${n}`)).destroy();
    await store.head('another');
  });
});
