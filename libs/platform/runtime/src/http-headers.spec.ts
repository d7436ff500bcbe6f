import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import type { Telemetry } from '@callosum/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Drain } from './drain.js';
import { type RunningHttpServer, serveHttp } from './http-server.js';
import type { RunningService } from './start-service.js';

const chunked = (head: string): string => `${head}transfer-encoding: chunked\r\n\r\n`;

describe('request line and headers', () => {
  let server: RunningHttpServer;

  beforeAll(async () => {
    const service = {
      httpPrefixes: ['/a'],
      handle: (request: IncomingMessage, response: ServerResponse) =>
        request.resume().once('end', () => response.end(String(request.url?.length))),
    } as unknown as RunningService;
    server = await serveHttp({
      host: '127.0.0.1',
      port: 0,
      telemetry: {} as Telemetry,
      publicUrl: 'https://callosum.example',
      authenticated: false,
      metrics: false,
      services: () => [service],
      started: () => true,
      drain: new Drain(0),
      limits: { headersTimeoutMs: 300 },
    });
  });
  afterAll(() => server.close());

  const ask = (uids: number): Promise<Response> => {
    const list = Array.from({ length: uids }, () => '1'.repeat(64)).join('%2C');
    return fetch(`http://127.0.0.1:${server.port}/a?StudyInstanceUID=${list}`);
  };

  it('hold the longest list of UIDs that a search may have', async () => {
    const answer = await ask(1_000);
    expect([answer.status, Number(await answer.text())]).toEqual([200, 67_017]);
  });

  it('are refused with 431 where they are longer', async () => {
    expect((await ask(1_300)).status).toBe(431);
  });

  const post = 'POST /a HTTP/1.1\r\nhost: localhost\r\n';
  it.each([
    ['408 Request Timeout', 'headers that do not come to their end', `${post}x-late: `],
    ['413 Payload Too Large', 'a chunk with kilobytes beside its size', `${chunked(post)}1;${'x'.repeat(20_000)}\r\n`],
    ['400 Bad Request', 'a chunk without a size', `${chunked(post)}x\r\n`],
    ['400 Bad Request', 'what is no HTTP', 'EHLO there\r\n'],
    ['431 Request Header Fields Too Large', 'a header without end', `${post}x-long: ${'x'.repeat(90_000)}`],
  ])('are refused with %s for %s, and the connection is closed', async (status, _, sent) => {
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(sent);
    expect(await text(socket)).toBe(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  });
});
