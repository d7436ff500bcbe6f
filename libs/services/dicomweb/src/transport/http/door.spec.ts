import fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';

import { configureDoor } from './door.js';

const viewer = 'https://viewer.example';
const metadata = '/dicom-web/studies/1.2.3/metadata';

let http: FastifyInstance;
afterEach(() => http.close());

/** The door before a guard that lets nobody in without a token, as the runtime has them. */
async function start(origins: readonly string[] = [viewer]): Promise<FastifyInstance> {
  http = fastify();
  configureDoor(http, { CALLOSUM_CORS_ORIGINS: origins });
  http.addHook('onRequest', async (request, reply) =>
    request.headers.authorization === undefined
      ? reply.code(401).header('www-authenticate', 'Bearer realm="callosum"').send('who asks?\n')
      : undefined,
  );
  http.get(metadata, (_request, reply) => reply.header('vary', 'accept').header('warning', '299').send('[]'));
  http.get('/dicom-web/pdf', (_request, reply) => reply.type('application/pdf').send('%PDF'));
  http.get('/viewer', (_request, reply) => reply.type('text/html').send('<p>'));
  await http.ready();
  return http;
}

type Method = 'GET' | 'OPTIONS' | 'DELETE' | 'PUT' | 'POST';
const ask = (
  url: string,
  headers: Record<string, string> = {},
  method: Method = 'GET',
): Promise<LightMyRequestResponse> => http.inject({ url, method, headers: { authorization: 'Bearer x', ...headers } });
const preflight = (origin: string, url = metadata): Promise<LightMyRequestResponse> =>
  http.inject({
    url,
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization,range',
    },
  });

describe('a page of another origin', () => {
  it('that was let in may read the answer, and the headers that say what it is', async () => {
    await start();
    const answer = await ask(metadata, { origin: viewer });
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, viewer]);
    for (const name of ['warning', 'etag', 'content-location', 'content-range'])
      expect(answer.headers['access-control-expose-headers']).toContain(name);
    expect(answer.headers['vary']).toBe('accept, origin');
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
  });

  it('may ask before it is known who sends it, and read that it has to sign in, or that nothing is there', async () => {
    await start();
    const allowed = await preflight(viewer);
    expect(allowed.statusCode).toBe(204);
    expect(allowed.headers['access-control-allow-methods']).toContain('POST');
    expect(allowed.headers['access-control-allow-headers']).toMatch(/authorization.*range/);
    const denied = await http.inject({ url: metadata, headers: { origin: viewer } });
    expect([denied.statusCode, denied.headers['access-control-allow-origin']]).toEqual([401, viewer]);
    expect(denied.headers['access-control-expose-headers']).toContain('www-authenticate');
    const missing = await ask('/dicom-web/nothing', { origin: viewer });
    expect([missing.statusCode, missing.headers['access-control-allow-origin']]).toEqual([404, viewer]);
  });

  it.each([
    'https://evil.example',
    'null',
    'http://viewer.example',
    'https://viewer.example:8443',
    `${viewer}.evil.example`,
  ])('that was not let in is told nothing: %s', async (origin) => {
    await start();
    for (const answer of [await ask(metadata, { origin }), await preflight(origin)]) {
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      // What is kept of it is not given to one that was let in.
      expect(answer.headers['vary']).toContain('origin');
    }
  });

  it('is none where no origin was let in', async () => {
    await start([]);
    const answer = await ask(metadata, { origin: viewer });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(answer.headers['vary']).toBe('accept');
    expect((await preflight(viewer)).statusCode).not.toBe(204);
  });

  it('reads nothing but DICOMweb', async () => {
    await start();
    expect((await ask('/viewer', { origin: viewer })).headers['access-control-allow-origin']).toBeUndefined();
    expect((await preflight(viewer, '/viewer')).headers['access-control-allow-methods']).toBeUndefined();
    expect((await preflight(viewer, '/dicom-webx')).headers['access-control-allow-methods']).toBeUndefined();
  });
});

describe('what was written by others', () => {
  it('is nothing that a page runs or takes for something else', async () => {
    await start();
    const { headers } = await ask(metadata);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['content-security-policy']).toMatch(/default-src 'none'; sandbox;/);
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
    expect((await ask('/viewer')).headers['content-security-policy']).toBeUndefined();
  });

  it('as a PDF is shown, and has nothing to run either', async () => {
    await start();
    const policy = (await ask('/dicom-web/pdf')).headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('sandbox');
  });
});

describe('a method that a resource has not', () => {
  it.each(['DELETE', 'PUT'] as const)('is 405 with those it has: %s', async (method) => {
    await start();
    for (const [path, allow] of [
      ['/dicom-web/studies/1.2.3', 'GET, HEAD, OPTIONS, POST'],
      [metadata, 'GET, HEAD, OPTIONS'],
    ] as const) {
      const answer = await ask(path, {}, method);
      expect([answer.statusCode, answer.headers['allow']]).toEqual([405, allow]);
    }
    expect((await ask('/dicom-web/nothing', {}, method)).statusCode).toBe(404);
  });

  it.each(['DELETE', 'PUT', 'POST', 'OPTIONS'] as const)(
    'is 405 of the viewer, which is only read: %s',
    async (method) => {
      await start();
      for (const path of ['/viewer', '/viewer/', '/viewer/app.js']) {
        const answer = await ask(path, {}, method);
        expect([answer.statusCode, answer.headers['allow']], path).toEqual([405, 'GET, HEAD']);
      }
      expect((await ask('/viewerx', {}, method)).statusCode).toBe(404);
    },
  );

  it('is 405 as well where the path has a slash at its end', async () => {
    await start();
    const answer = await ask('/dicom-web/studies/?x=1', {}, 'DELETE');
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'GET, HEAD, OPTIONS, POST']);
  });

  it('can be read as such by a page of another origin', async () => {
    await start();
    const answer = await ask(metadata, { origin: viewer }, 'POST');
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([405, viewer]);
  });
});
