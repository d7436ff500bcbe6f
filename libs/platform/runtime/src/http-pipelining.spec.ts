import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as after } from 'node:timers/promises';

import type { Telemetry } from '@callosum/telemetry';
import { afterEach, describe, expect, it } from 'vitest';

import { Drain } from './drain.js';
import { type RunningHttpServer, serveHttp } from './http-server.js';
import type { RunningService } from './start-service.js';

type Handle = (request: IncomingMessage, response: ServerResponse) => unknown;

const telemetry = { handleMetrics: () => undefined } as unknown as Telemetry;
let server: RunningHttpServer | undefined;
let client: Socket | undefined;
/** What the service was told, in order. */
let log: string[] = [];

afterEach(async () => {
  client?.destroy();
  await server?.close();
  log = [];
});

/** A service that notes which requests begin, and which answers close. @returns a connection to it */
async function connected(handle: Handle, drain = new Drain(1_000)): Promise<Socket> {
  const service = {
    httpPrefixes: [''],
    handle: (request: IncomingMessage, response: ServerResponse) => {
      const { url } = request;
      log.push(`begins ${String(url)}`);
      response.on('close', () => log.push(`closed ${String(url)}`));
      void handle(request, response);
    },
  } as unknown as RunningService;
  server = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    telemetry,
    publicUrl: 'https://callosum.example',
    authenticated: false,
    metrics: false,
    services: () => [service],
    started: () => true,
    drain,
  });
  client = connect({ port: server.port, host: '127.0.0.1' }).on('error', () => undefined);
  await once(client, 'connect');
  return client;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
const post = (path: string, body: string, headers = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${String(body.length)}\r\n${headers}\r\n${body}`;
const paths = (count: number): string[] => Array.from({ length: count }, (_, n) => `/${String(n)}`);
const begun = (): string[] => log.filter((line) => line.startsWith('begins'));

/** Resolves when what came over the connection matches. */
async function received(socket: Socket, wanted: RegExp): Promise<string> {
  let all = '';
  for await (const some of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    all += some.toString('latin1');
    if (wanted.test(all)) return all;
  }
  throw new Error(`the connection closed after ${all}`);
}

/** Of a machine that does something else. */
const patience = { timeout: 10_000 };

describe('requests that are sent ahead over one connection', () => {
  it('are handled one after the other, and answered in order', async () => {
    const socket = await connected(async ({ url }, response) => {
      // The first takes longest.
      await after(url === '/0' ? 50 : 0);
      response.end(`answer of ${String(url)}`);
    });
    socket.write(paths(3).map(get).join(''));
    const all = await received(socket, /of \/2/);
    expect(all.match(/answer of \/\d/g)).toEqual(paths(3).map((path) => `answer of ${path}`));
    await expect.poll(() => log, patience).toEqual(paths(3).flatMap((path) => [`begins ${path}`, `closed ${path}`]));
  });

  it('are dropped when the connection closes: what was begun is told, and nothing behind it begins', async () => {
    const piece = Buffer.alloc(1024 * 1024);
    const socket = await connected((_, response) => {
      const send = (): void => {
        while (!response.closed && response.write(piece));
      };
      response.on('drain', send);
      send();
    });
    socket.write(paths(20).map(get).join(''));
    await once(socket, 'data');
    socket.destroy();
    await expect.poll(() => log, patience).toContain('closed /0');
    await after(50);
    expect(log).toEqual(['begins /0', 'closed /0']);
  });

  it('are 64 at most behind the one that is handled', async () => {
    const held: ServerResponse[] = [];
    const socket = await connected(({ url }, response) => {
      if (url === '/0') held.push(response);
      else response.end(`answer of ${String(url)}.`);
    });
    // Those that had their turn are counted no more.
    for (const round of [1, 2]) {
      socket.write(paths(65).map(get).join(''));
      await expect.poll(() => held, patience).toHaveLength(round);
      held.at(-1)?.end('first');
      await received(socket, /of \/64\./);
      expect(begun()).toHaveLength(round * 65);
    }
    socket.write(paths(66).map(get).join(''));
    await once(socket.resume(), 'close');
    await expect.poll(() => log.filter((line) => line === 'closed /0'), patience).toHaveLength(3);
    expect(begun()).toHaveLength(2 * 65 + 1);
  });

  it('have their bodies, also one that is longer than what is read ahead', async () => {
    const bodies = ['short', 'x'.repeat(1_000_000), 'end'];
    const socket = await connected(async (request, response) => {
      await after(20);
      const body = await text(request);
      response.end(`${String(body.length)} of ${String(request.url)}.`);
    });
    socket.write(bodies.map((body, n) => post(`/${String(n)}`, body)).join('') + get('/3'));
    const all = await received(socket, /of \/3\./);
    expect(all.match(/\d+ of \/\d/g)).toEqual(['5 of /0', '1000000 of /1', '3 of /2', '0 of /3']);
  });

  it('are told to go on with their body when it is their turn (Expect: 100-continue)', async () => {
    const socket = await connected(async (request, response) => {
      await after(20);
      response.end(`${await text(request)} of ${String(request.url)}.`);
    });
    const [head, body] = post('/1', 'body', 'expect: 100-continue\r\n').split(/(?<=\r\n\r\n)/);
    socket.write(get('/0') + String(head));
    const all = await received(socket, / 100 Continue\r\n\r\n/);
    expect(all.indexOf('of /0.')).toBeGreaterThan(0);
    expect(all.indexOf('of /0.')).toBeLessThan(all.indexOf(' 100 Continue'));
    socket.write(String(body));
    await received(socket, /body of \/1\./);
  });

  it.each([
    ['says that it is the last', get('/0')],
    ['is a refusal of Node', 'GET /0 HTTP/1.1\r\n\r\n'],
  ])('never begin behind an answer that %s', async (_, first) => {
    const socket = await connected((__, response) => {
      response.writeHead(200, { connection: 'close' }).end('the last');
    });
    socket.write(first + get('/1') + get('/2'));
    await once(socket.resume(), 'close');
    await after(50);
    expect(begun().filter((line) => line !== 'begins /0')).toEqual([]);
  });

  it('are refused behind the one that runs when the process is asked to end', async () => {
    const drain = new Drain(5_000);
    const held: ServerResponse[] = [];
    const socket = await connected((_, response) => held.push(response), drain);
    socket.write(get('/0') + get('/1'));
    await expect.poll(() => held, patience).toHaveLength(1);
    drain.begin();
    const drained = server?.drained();
    held[0]?.end('done');
    expect(await received(socket, /HTTP[^]*HTTP[^]*ending/)).toContain('503');
    await drained;
    expect(begun()).toEqual(['begins /0']);
  });

  it('know nothing of the one before', async () => {
    const storage = new AsyncLocalStorage<string>();
    const known: (string | undefined)[] = [];
    const socket = await connected(({ url }, response) => {
      known.push(storage.getStore());
      storage.run(String(url), () => setTimeout(() => response.end(`of ${String(url)}.`), 10));
    });
    socket.write(paths(3).map(get).join(''));
    await received(socket, /of \/2\./);
    expect(known).toEqual([undefined, undefined, undefined]);
  });
});
