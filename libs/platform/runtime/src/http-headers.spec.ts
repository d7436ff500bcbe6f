import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Telemetry } from '@callosum/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Drain } from './drain.js';
import { type RunningHttpServer, serveHttp } from './http-server.js';
import type { RunningService } from './start-service.js';

describe('request line and headers', () => {
  let server: RunningHttpServer;

  beforeAll(async () => {
    const service = {
      httpPrefixes: ['/a'],
      handle: ({ url }: IncomingMessage, response: ServerResponse) => response.end(String(url?.length)),
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
});
