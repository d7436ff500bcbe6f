import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import type { Telemetry } from '@callosum/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Drain } from './drain.js';
import { type RunningHttpServer, serveHttp } from './http-server.js';
import type { RunningService } from './start-service.js';

/** What the service was asked. */
let asked: IncomingMessage[] = [];
let server: RunningHttpServer;
const telemetry = {
  handleMetrics: (_: IncomingMessage, response: ServerResponse) => response.end('callosum_up 1\n'),
} as unknown as Telemetry;

beforeEach(async () => {
  asked = [];
  const service = {
    name: 'a',
    httpPrefixes: ['/a'],
    crashed: () => false,
    handle: async (request: IncomingMessage, response: ServerResponse) => {
      asked.push(request);
      if (request.url === '/a/refuses') return response.writeHead(403).end('refused');
      const body = await text(request).catch(() => 'broken');
      return response.end(`${String(request.url)} of ${String(request.headers.host)}: ${body}`);
    },
  } as unknown as RunningService;
  server = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    telemetry,
    publicUrl: 'https://callosum.example/imaging',
    authenticated: false,
    metrics: true,
    services: () => [service],
    started: () => true,
    drain: new Drain(0),
  });
});
afterEach(() => server.close());

async function begin(head: string): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(head);
  return socket;
}

/** All that comes until the server hangs up. */
const answerTo = async (sent: string): Promise<string> => text(await begin(sent));
const get = (target: string, host = 'localhost'): Promise<string> =>
  answerTo(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);

describe('a request target in absolute form (RFC 9112 3.2.2)', () => {
  it.each([
    ['http://localhost:8080/a/b?c=d', '/a/b?c=d of localhost:8080: '],
    ['HTTP://LOCALHOST/a', '/a of LOCALHOST: '],
    ['http://localhost:/a', '/a of localhost:: '],
    ['http://[::1]:8080/a', '/a of [::1]:8080: '],
    ['https://callosum.example/imaging/a?b', '/a?b of callosum.example: '],
  ])('%s is the path of a host', async (target, answer) => {
    expect((await get(target)).split('\r\n\r\n')[1]).toContain(answer);
  });

  it('is taken for the host, whatever the header says', async () => {
    expect(await get('http://localhost/a', 'evil.example')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get('http://evil.example/a', 'localhost')).toMatch(/^HTTP\/1\.1 421 /);
    expect(asked).toHaveLength(1);
  });

  it.each(['/healthz', '/metrics'])('is that of %s as well', async (path) => {
    expect(await get(`http://localhost${path}`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(['http://localhost', 'http://localhost?x=1'])('is the root where it has no path: %s', async (target) => {
    expect(await get(target)).toMatch(/^HTTP\/1\.1 404 [^]*nothing is here/);
  });

  it.each(['http:///a', 'http://me:secret@localhost/a', 'http://localhost:80x/a', 'ftp://localhost/a', 'http://[x]/a'])(
    'is 400 where it is no URL of HTTP: %s',
    async (target) => {
      expect(await get(target)).toMatch(/^HTTP\/1\.1 400 [^]*application\/problem\+json/);
      expect(asked).toEqual([]);
    },
  );
});

describe('a transfer coding that nobody undoes (RFC 9112 6.1)', () => {
  const post = (codings: string, path = '/a'): Promise<string> =>
    answerTo(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: ${codings}\r\n\r\n1\r\nx\r\n0\r\n\r\n`);

  it.each(['gzip, chunked', 'gzip\r\ntransfer-encoding: chunked', 'identity, chunked', 'foo;x=1,Chunked'])(
    'is 501, and the connection is closed: %j',
    async (codings) => {
      const answer = await post(codings);
      expect(answer).toMatch(/^HTTP\/1\.1 501 [^]*\r\nconnection: close\r\n/i);
      expect(answer).toMatch(/application\/problem\+json[^]*"status":501/);
      expect(asked).toEqual([]);
    },
  );

  it('is 501 whatever is asked for, and before the body has come', async () => {
    const socket = await begin('POST /x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n\r\n');
    const [some] = (await once(socket, 'data')) as [Buffer];
    expect(some.toString()).toMatch(/^HTTP\/1\.1 501 /);
    socket.destroy();
  });

  it.each(['gzip', 'chunked, gzip', 'identity'])('is 400 where nobody knows its end: %s', async (codings) => {
    expect(await post(codings)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it.each(['chunked', ' , CHUNKED'])('is not chunked: %j', async (codings) => {
    const socket = await begin(`POST /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: ${codings}\r\n\r\n`);
    socket.write('1\r\nx\r\n0\r\n\r\n');
    const [some] = (await once(socket, 'data')) as [Buffer];
    expect(some.toString()).toMatch(/^HTTP\/1\.1 200 [^]*: x$/);
    socket.destroy();
  });
});

describe('a request whose client waits to be told to go on (Expect: 100-continue)', () => {
  const post = (path: string, more = ''): Promise<Socket> =>
    begin(`POST ${path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n${more}content-length: 4\r\n\r\n`);

  it('is told so when its body is read', async () => {
    const socket = await post('/a', 'connection: close\r\n');
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('body');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 [^]*: body$/);
  });

  it.each([
    ['/a/refuses', 403],
    ['/nothing', 404],
  ])('is answered in place of that where it is refused: %s', async (path, status) => {
    const answer = await text(await post(path));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nconnection: close\r\n`, 'i'));
    expect(answer).not.toContain('100 Continue');
  });

  it('is told nothing of a coding that nobody undoes', async () => {
    const head =
      'POST /a HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ntransfer-encoding: gzip, chunked\r\n\r\n';
    const socket = await begin(head);
    const [some] = (await once(socket, 'data')) as [Buffer];
    expect(some.toString()).toMatch(/^HTTP\/1\.1 501 /);
    socket.destroy();
  });
});
