import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

import { multipartParts } from '@callosum/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { closedLoop, HttpClient, stowRequest } from './http-client.js';

let server: Server;
let base: string;
let connections = 0;
let last: { readonly request: IncomingMessage; readonly body: Buffer } | undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    void buffer(request).then((body) => {
      last = { request, body };
      response.writeHead(request.url === '/base/none' ? 404 : 200, { 'content-encoding': 'gzip' });
      response.end('not gzip at all');
    });
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`;
});
afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));

it('counts bytes as they come over one connection that stays open', async () => {
  const client = new HttpClient(base);
  for (let n = 0; n < 3; n++) {
    const { byteCount, body, ms, headMs } = await client.ask('/thing', { keep: n === 2 });
    expect([byteCount, body?.toString()]).toEqual([15, n === 2 ? 'not gzip at all' : undefined]);
    expect(ms).toBeGreaterThanOrEqual(headMs);
  }
  client.close();
  expect(connections).toBe(1);
});

it('takes nothing but 200 for an answer', async () => {
  const client = new HttpClient(base);
  await expect(client.ask('/none')).rejects.toThrow('GET');
  client.close();
});

it('stores objects as one multipart request with its length', async () => {
  const client = new HttpClient(base);
  const objects = ['one', 'two\r\n--'].map((text) => Buffer.from(text));
  await client.ask('/studies', stowRequest(objects));
  client.close();
  expect(last?.request.headers['content-length']).toBe(String(last?.body.byteLength));
  const parts = multipartParts(last?.request.headers['content-type'] ?? '', last?.body ?? Buffer.alloc(0));
  expect(parts.map(({ contentType, bytes }) => [contentType, bytes.toString()])).toEqual([
    ['application/dicom', 'one'],
    ['application/dicom', 'two\r\n--'],
  ]);
});

it('sends each request of a closed loop once, at most one of a client at a time', async () => {
  const asked: number[] = [];
  const busy = new Set<number>();
  const times = await closedLoop(3, 20, async (client, request) => {
    expect(busy.has(client)).toBe(false);
    busy.add(client);
    asked.push(request);
    await new Promise((resolve) => setImmediate(resolve));
    busy.delete(client);
    return request;
  });
  expect(asked).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(times.toSorted((a, b) => a - b)).toEqual(asked);
});
