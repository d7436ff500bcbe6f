import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import { Authenticator, authSettings } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { createLogger, type Telemetry } from '@callosum/telemetry';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { Drain } from './drain.js';
import { guardHttp } from './http-auth.js';
import { type RunningHttpServer, serveHttp } from './http-server.js';
import type { RunningService } from './start-service.js';

let fastify: FastifyInstance;
let server: RunningHttpServer;

beforeAll(async () => {
  const settings = parseSettings(authSettings, {
    CALLOSUM_AUTH_OIDC_ISSUER: 'https://issuer.example',
    CALLOSUM_AUTH_OIDC_AUDIENCE: 'https://callosum.example/api',
  });
  fastify = Fastify();
  guardHttp(fastify, 'dicomweb', new Authenticator('dicomweb', settings), createLogger('dicomweb', 'silent'));
  // An answer takes a turn more where a service looks at it before it leaves.
  fastify.addHook('onSend', (_request, _reply, payload, done) => setImmediate(done, null, payload));
  fastify.post('/dicom-web/studies', () => 'stored');
  await fastify.ready();
  const service = {
    httpPrefixes: ['/dicom-web'],
    handle: (...both: Parameters<RunningService['handle']>) => fastify.routing(...both),
  } as unknown as RunningService;
  server = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    telemetry: {} as Telemetry,
    publicUrl: 'https://callosum.example',
    authenticated: true,
    metrics: false,
    services: () => [service],
    started: () => true,
    drain: new Drain(0),
  });
});
afterAll(async () => {
  await server.close();
  await fastify.close();
});

it('who has no token is told so in place of 100 Continue', async () => {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('POST /dicom-web/studies HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 401 [^]*\r\nconnection: close\r\n/i);
});
