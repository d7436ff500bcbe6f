import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';

import { UnauthenticatedBindError } from '@callosum/config';
import type { Telemetry } from '@callosum/telemetry';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { Drain } from './drain.js';
import { type HttpLimits, type HttpServerOptions, type RunningHttpServer, serveHttp } from './http-server.js';
import type { DependencyReport, Readiness } from './readiness.js';
import type { RunningService } from './start-service.js';

const telemetry: Telemetry = {
  handleMetrics: (_request, response) => response.end('callosum_up 1\n'),
  shutdown: () => Promise.resolve(),
};

const needed = (state: DependencyReport['state']): DependencyReport => ({ state, needed: true });
const used = (state: DependencyReport['state']): DependencyReport => ({ state, needed: false });

function service(
  name: string,
  prefixes: string[],
  state: { crashed?: boolean; readiness?: Readiness } = {},
): RunningService {
  return {
    name,
    httpPrefixes: prefixes,
    grpcAddress: 'unix:none',
    app: undefined as never,
    handle: (request: IncomingMessage, response: ServerResponse) => response.end(`${name} ${request.url}`),
    crashed: () => state.crashed ?? false,
    readiness: () => Promise.resolve(state.readiness ?? { database: needed('ok') }),
    drain: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

let server: RunningHttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(
  services: RunningService[],
  started = true,
  {
    authenticated = false,
    drain = new Drain(1_000),
    limits = {} as Partial<HttpLimits>,
    publicUrl = 'https://callosum.example',
    pages = undefined as HttpServerOptions['pages'],
  } = {},
) {
  server = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    telemetry,
    publicUrl,
    authenticated,
    ...(pages ? { pages } : {}),
    metrics: !authenticated,
    services: () => services,
    started: () => started,
    drain,
    limits,
  });
  const base = `http://127.0.0.1:${server.port}`;
  return (path: string) => fetch(base + path);
}

/** Opens a connection, sends `text`, and resolves with the milliseconds until the server hangs up. */
async function untilHungUp(text: string): Promise<number> {
  const socket = connect({ port: server?.port ?? 0, host: '127.0.0.1' });
  const begun = Date.now();
  socket.on('error', () => undefined).resume();
  socket.write(text);
  await once(socket, 'close');
  return Date.now() - begun;
}

describe('connections', () => {
  const limits = { headersTimeoutMs: 300, idleTimeoutMs: 600, connectionsMax: 3 };
  const forever: RunningService = { ...service('a', ['/a']), handle: (request) => void request.resume() };

  it('whose headers do not end are cut', async () => {
    await start([], true, { limits: { ...limits, idleTimeoutMs: 60_000 } });
    expect(await untilHungUp('GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ')).toBeLessThan(10_000);
  });

  it('on which nothing moves are cut, also inside a body', async () => {
    await start([forever], true, { limits });
    const head = 'POST /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nonly this';
    expect(await untilHungUp(head)).toBeLessThan(10_000);
  });

  it('past the limit get none, and those there are go on', async () => {
    const get = await start([service('a', ['/a'])], true, { limits: { ...limits, headersTimeoutMs: 30_000 } });
    const held = Array.from({ length: 3 }, () => connect({ port: server?.port ?? 0, host: '127.0.0.1' }));
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    await expect(get('/a')).rejects.toThrow();
    for (const socket of held) socket.destroy();
    await Promise.all(held.map((socket) => once(socket, 'close')));
    await expect
      .poll(() =>
        get('/a').then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
  });
});

describe('the one router', () => {
  it('sends a path to the service with the longest prefix, and only at a path boundary', async () => {
    const get = await start([service('a', ['/api']), service('b', ['/api/identity']), service('c', ['/fhir'])]);
    expect(await (await get('/api/identity/quarantine?x=1')).text()).toBe('b /api/identity/quarantine?x=1');
    expect(await (await get('/api/other')).text()).toBe('a /api/other');
    expect(await (await get('/fhir')).text()).toBe('c /fhir');
    expect((await get('/fhirish')).status).toBe(404);
  });

  it('answers metrics, liveness and readiness itself', async () => {
    const get = await start([service('a', ['/'])]);
    expect(await (await get('/metrics')).text()).toBe('callosum_up 1\n');
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
  });

  it('is not ready before everything was started, whatever answers', async () => {
    const response = await (await start([service('a', [])], false))('/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: 'not ready', services: { a: { database: needed('ok') } } });
  });

  it.each<[string, Readiness, number, string]>([
    ['everything answers', { database: needed('ok'), eventLog: used('ok') }, 200, 'ready'],
    ['one fails that no door needs', { database: needed('ok'), eventLog: used('failing') }, 200, 'degraded'],
    ['one is silent that no door needs', { database: needed('ok'), eventLog: used('timeout') }, 200, 'degraded'],
    ['the disk is full: reads go on', { database: needed('ok'), objectStore: needed('full') }, 200, 'degraded'],
    ['one fails that a door needs', { database: needed('failing'), eventLog: used('ok') }, 503, 'not ready'],
    ['one is silent that a door needs', { database: needed('ok'), objectStore: needed('timeout') }, 503, 'not ready'],
  ])('says of every dependency how it is, when %s', async (_, readiness, status, word) => {
    const get = await start([service('a', []), service('b', [], { readiness })]);
    const response = await get('/readyz');
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({
      status: word,
      services: { a: { database: needed('ok') }, b: readiness },
    });
  });

  it('says that it is starting, not that nothing is there, before everything was started', async () => {
    const early = await (await start([], false))('/fhir/Patient');
    expect(early.status).toBe(503);
    expect(early.headers.get('retry-after')).toBe('5');
    await server?.close();
    expect((await (await start([]))('/fhir/Patient')).status).toBe(404);
  });

  it('fails liveness once a consumer has stopped for good', async () => {
    const get = await start([service('a', [], { crashed: true })]);
    const response = await get('/healthz');
    expect([response.status, await response.json()]).toEqual([503, { status: 'failing', services: { a: 'crashed' } }]);
  });

  it('takes no request once the drain begins, lets one that runs finish, and cuts off one that hangs', async () => {
    const drain = new Drain(400);
    const responses: ServerResponse[] = [];
    const handle = (_request: IncomingMessage, response: ServerResponse): number => responses.push(response);
    const get = await start([{ ...service('a', ['/api']), handle: (...both) => void handle(...both) }], true, {
      drain,
    });
    const [finishing, hanging] = [get('/api/finishes'), get('/api/hangs')];
    const cutOff = expect(hanging).rejects.toThrow('fetch failed');
    await vi.waitFor(() => expect(responses).toHaveLength(2));
    drain.begin();
    const beganAt = Date.now();
    const drained = server?.drained();
    const ready = await get('/readyz');
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'not ready', services: 'draining' }]);
    expect((await get('/healthz')).status).toBe(200);
    const refused = await get('/api/new');
    expect([refused.status, refused.headers.get('connection'), refused.headers.get('retry-after')]).toEqual([
      503,
      'close',
      '5',
    ]);
    expect(responses).toHaveLength(2);
    responses[0]?.end('done');
    expect(await (await finishing).text()).toBe('done');
    await drained;
    expect(Date.now() - beganAt).toBeGreaterThanOrEqual(390);
    await cutOff;
  });

  it('serves loopback names and the public one, and no other host', async () => {
    await start([service('a', ['/api'])]);
    const ask = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ host: '127.0.0.1', port: server?.port, path: '/api', headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(await ask('localhost:8080')).toBe(200);
    expect(await ask('[::1]:8080')).toBe(200);
    expect(await ask('callosum.example')).toBe(200);
    expect(await ask('evil.example')).toBe(421);
    expect(await ask('127.0.0.1.evil.example')).toBe(421);
  });

  it('with authentication serves every name, and keeps the metrics to their own port', async () => {
    const get = await start([service('a', ['/api'])], true, { authenticated: true });
    expect((await get('/metrics')).status).toBe(404);
    const ask = (path: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const to = { host: '127.0.0.1', port: server?.port, path, headers: { host: 'callosum-fhir-gateway.svc:8080' } };
        request(to, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
    expect(await ask('/api')).toBe(200);
    expect(await ask('/readyz')).toBe(200);
  });

  it('answers probes under any name: they come by address', async () => {
    await start([service('a', ['/api'])]);
    const status = await new Promise((resolve, reject) => {
      const to = { host: '127.0.0.1', port: server?.port, path: '/healthz', headers: { host: '10.1.2.3:8080' } };
      request(to, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
  });

  it('of a site with a path answers under it and without it, probes and its page too', async () => {
    const pages = (request: IncomingMessage, response: ServerResponse): boolean => {
      if (request.url !== '/') return false;
      response.end('the page');
      return true;
    };
    const get = await start([service('a', ['/dicom-web'])], true, {
      publicUrl: 'https://callosum.example/imaging/',
      pages,
    });
    for (const prefix of ['', '/imaging']) {
      expect(await (await get(`${prefix}/dicom-web/studies?x=1`)).text()).toBe('a /dicom-web/studies?x=1');
      expect(await (await get(`${prefix}/`)).text()).toBe('the page');
      expect((await get(`${prefix}/readyz`)).status).toBe(200);
      expect(await (await get(`${prefix}/metrics`)).text()).toBe('callosum_up 1\n');
      expect((await get(`${prefix}/nothing`)).status).toBe(404);
    }
    expect(await (await get('/imaging')).text()).toBe('the page');
    expect((await get('/imagingx/dicom-web')).status).toBe(404);
  });

  it('refuses a null character', async () => {
    const get = await start([service('a', ['/api'])]);
    expect((await get('/api?name=%00')).status).toBe(400);
  });

  it('refuses an address that others can reach', async () => {
    const open = serveHttp({
      host: '0.0.0.0',
      port: 0,
      telemetry,
      publicUrl: 'https://callosum.example',
      authenticated: false,
      metrics: true,
      services: () => [],
      started: () => true,
      drain: new Drain(0),
    });
    await expect(open).rejects.toBeInstanceOf(UnauthenticatedBindError);
  });
});
