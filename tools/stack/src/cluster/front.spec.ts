import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import { Front } from './front.js';

const opened: { close: () => unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function service(handle: RequestListener): Promise<{ port: number; server: Server }> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push({ close: () => (server.closeAllConnections(), server.close()) });
  return { port: (server.address() as AddressInfo).port, server };
}

async function front(...services: { prefixes: string[]; port: number }[]): Promise<URL> {
  const one = await Front.listen({
    port: 0,
    services: () => services,
    pages: ({ url }, response) => url === '/' && response.end('the page') !== undefined,
  });
  opened.push(one);
  return new URL(one.url);
}

const named =
  (name: string): RequestListener =>
  (asked, response) =>
    response.setHeader('x-host', asked.headers.host ?? '').end(`${name} ${asked.method} ${asked.url}`);

describe('the front of a stack', () => {
  it('sends each path to the service it belongs to, by its longest prefix and as it came', async () => {
    const [api, identity] = [await service(named('api')), await service(named('identity'))];
    const base = await front(
      { prefixes: ['/api'], port: api.port },
      { prefixes: ['/api/identity', '/viewer'], port: identity.port },
    );
    const text = async (path: string, method = 'GET') => (await fetch(new URL(path, base), { method })).text();
    expect(await text('/api/identity/quarantine?x=%2F', 'POST')).toBe('identity POST /api/identity/quarantine?x=%2F');
    expect(await text('/api/identityish')).toBe('api GET /api/identityish');
    expect(await text('/viewer')).toBe('identity GET /viewer');
    expect(await text('/')).toBe('the page');
    const { status, headers } = await fetch(new URL('/other', base));
    expect([status, headers.get('content-type')]).toEqual([404, 'application/problem+json']);
    expect((await fetch(new URL('/api', base))).headers.get('x-host')).toBe(base.host);
  });

  it('of a site with a path knows services below it and without it, and passes on what came', async () => {
    const { port } = await service(named('viewer'));
    const one = await Front.listen({
      port: 0,
      prefix: '/imaging',
      services: () => [{ prefixes: ['/viewer'], port }],
      pages: ({ url }, response) => url === '/' && response.end('the page') !== undefined,
    });
    opened.push(one);
    const text = async (path: string) => (await fetch(one.url + path)).text();
    expect(await text('/imaging/viewer/a?x=1')).toBe('viewer GET /imaging/viewer/a?x=1');
    expect(await text('/viewer/a')).toBe('viewer GET /viewer/a');
    expect([await text('/imaging'), await text('/imaging/'), await text('/')]).toEqual(Array(3).fill('the page'));
    for (const path of ['/imaging/other', '/imagingx/viewer']) expect((await fetch(one.url + path)).status).toBe(404);
  });

  it('holds no body: what is sent is there before its end, and so is what is answered', async () => {
    const { port } = await service((asked, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      asked.on('data', (chunk: Buffer) => response.write(`got ${String(chunk)};`));
      asked.on('end', () => response.end('end'));
    });
    const base = await front({ prefixes: ['/a'], port });
    const asked = request({ host: base.hostname, port: base.port, path: '/a', method: 'POST' });
    asked.write('one');
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect(String((await once(answer, 'data'))[0])).toBe('got one;');
    asked.end('two');
    let rest = '';
    for await (const chunk of answer) rest += String(chunk);
    expect(rest).toBe('got two;end');
  });

  it('asks the service whether a body may come', async () => {
    const { port, server } = await service(named('a'));
    let asks = 0;
    server.on('checkContinue', (asked: IncomingMessage, response) => {
      asks++;
      response.writeContinue();
      asked.resume().on('end', () => response.end('taken'));
    });
    const base = await front({ prefixes: ['/a'], port });
    const headers = { expect: '100-continue', 'content-length': 4 };
    const asked = request({ host: base.hostname, port: base.port, path: '/a', method: 'POST', headers });
    asked.flushHeaders();
    await once(asked, 'continue');
    asked.end('body');
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect([String((await once(answer, 'data'))[0]), asks]).toEqual(['taken', 1]);
  });

  it('gives up what nobody waits for any more, and says so when a service is gone', async () => {
    const closed = Promise.withResolvers<void>();
    const { port, server } = await service((_asked, response) => void response.on('close', () => closed.resolve()));
    const base = await front({ prefixes: ['/a'], port });
    const asked = request({ host: base.hostname, port: base.port, path: '/a' }).end();
    asked.on('error', () => undefined);
    await once(server, 'request');
    asked.destroy();
    await closed.promise;
    server.close();
    await once(server, 'close');
    expect((await fetch(new URL('/a', base))).status).toBe(502);
  });

  it('takes the connection of an answer with it that breaks in the middle', async () => {
    const { port } = await service((_asked, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('half');
      setTimeout(() => response.destroy(), 20);
    });
    const base = await front({ prefixes: ['/a'], port });
    const answer = await fetch(new URL('/a', base));
    await expect(answer.text()).rejects.toThrow();
  });

  it('passes an upgraded connection on, both ways', async () => {
    const { port, server } = await service(named('a'));
    server.on('upgrade', (asked: IncomingMessage, socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: ${asked.headers.upgrade}\r\nconnection: upgrade\r\n\r\n`,
      );
      socket.pipe(socket);
    });
    const base = await front({ prefixes: ['/a'], port });
    const socket = connect(Number(base.port), base.hostname);
    opened.push({ close: () => socket.destroy() });
    let said = '';
    socket.on('data', (chunk) => (said += String(chunk)));
    socket.write('GET /a HTTP/1.1\r\nhost: localhost\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n');
    while (!said.includes('\r\n\r\n')) await sleep(5);
    expect(said).toMatch(/^HTTP\/1\.1 101 .*upgrade: echo/s);
    socket.write('hello');
    while (!said.endsWith('hello')) await sleep(5);
  });
});
