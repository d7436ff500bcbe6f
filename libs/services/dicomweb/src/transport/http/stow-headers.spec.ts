import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';

import { tinyCt } from '@callosum/phantom';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { storeLimits } from '../../test-support/store-limits.js';
import { openStowServer, type StowServer } from '../../test-support/stow-server.js';
import { bodyBounds } from './request-body.js';

const multipart = (type: string): string => `content-type: multipart/related; type="${type}"; boundary=b`;
const single = 'content-type: application/dicom';
const { bytesMax, partBytesMax, metadata } = storeLimits;

const studies = '/dicom-web/studies';
/** Status, what of the headers refuses the request, and where it is sent. */
type Refusal = readonly [status: number, why: string, headers: string, path?: string];
const named: readonly Refusal[] = [
  [406, 'an answer that is not given', `${single}\r\naccept: text/html`],
  [415, 'another type', 'content-type: text/html'],
  [415, 'no type', 'x: y'],
  [415, 'parts of another type', multipart('image/png')],
  [415, 'a content coding', `${single}\r\ncontent-encoding: gzip`],
  [400, 'a type that cannot be read', 'content-type: multipart/related; type="application/dicom'],
  [400, 'no boundary', 'content-type: multipart/related; type="application/dicom"'],
  [400, 'a boundary that is none', 'content-type: multipart/related; boundary="{}"'],
  [400, 'a study that is no UID', single, `${studies}/x`],
  [413, 'a request too large', `${multipart('application/dicom')}\r\ncontent-length: ${bytesMax + 1}`],
  [413, 'metadata in parts too large', `${multipart('application/dicom+json')}\r\ncontent-length: ${bytesMax + 1}`],
  [413, 'an object too large', `${single}\r\ncontent-length: ${partBytesMax + 1}`],
  [413, 'metadata too large', `content-type: application/dicom+json\r\ncontent-length: ${metadata.json.bytesMax + 1}`],
];
const refusals = named.map(([status, why, headers, path = studies]) => [status, why, headers, path] as const);

describe('a store that its headers refuse', () => {
  let server: StowServer;
  const client: Socket[] = [];

  beforeAll(async () => {
    // A busy machine takes a while to hear of a short body.
    server = await openStowServer({ untouchedMs: 250 });
  });
  afterAll(async () => {
    client.forEach((socket) => socket.destroy());
    await server.close();
  });
  beforeEach(() => server.beginAnew());

  async function begin(headers: string, path: string): Promise<Socket> {
    const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
    client.push(socket);
    await once(socket, 'connect');
    const length = headers.includes('content-length') ? '' : '\r\ncontent-length: 1000';
    socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}${length}\r\n\r\n`);
    return socket;
  }

  /** Resolves when an answer has come that matches. */
  async function received(socket: Socket, wanted: RegExp): Promise<string> {
    let all = '';
    for await (const some of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      all += some.toString('latin1');
      if (wanted.test(all)) break;
    }
    return all;
  }

  /** On a machine that does something else. */
  const atOnceMs = bodyBounds.leftoverMs / 2;

  it.each(refusals)('with %i, for %s, is answered while its body comes slowly', async (status, _, headers, path) => {
    const socket = await begin(headers, path);
    const drip = setInterval(() => socket.write('x'), 50);
    const begun = performance.now();
    const answer = await received(socket, /\r\n\r\n.*\n/);
    clearInterval(drip);
    expect(performance.now() - begun).toBeLessThan(atOnceMs);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nconnection: close\r\n`, 'i'));
    expect(server.intake.stored).toEqual([]);
    socket.destroy();
  });

  it.each(refusals)('with %i, for %s, is answered in place of 100 Continue', async (status, _, headers, path) => {
    const socket = await begin(`${headers}\r\nexpect: 100-continue`, path);
    const answer = await received(socket, /\r\n\r\n.*\n/);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nconnection: close\r\n`, 'i'));
    // What a client sends all the same is thrown away, and asked for by nobody.
    socket.end('x'.repeat(1000));
    expect(await received(socket, /never/)).toBe('');
  });

  it('is answered at the end of a short body, and its connection is kept', async () => {
    const socket = await begin('content-type: text/html', studies);
    socket.write('x'.repeat(1000));
    expect(await received(socket, /\r\n\r\n.*\n/)).not.toMatch(/connection: close/i);
    socket.destroy();
  });

  it('can be read by a client that looks for it when all is sent', async () => {
    const byteCount = 64 * 1024 * 1024;
    const socket = await begin(`content-type: text/html\r\ncontent-length: ${byteCount}`, studies);
    socket.pause();
    for (let sent = 0; sent < byteCount; sent += 1024 * 1024)
      if (!socket.write(Buffer.alloc(1024 * 1024))) await once(socket, 'drain');
    expect(await received(socket, /\r\n\r\n.*\n/)).toMatch(/^HTTP\/1\.1 415 /);
  });

  it('is none where the body is read: then the client is told to go on', async () => {
    const headers = { 'content-type': 'application/dicom', expect: '100-continue' };
    const sent = request({ port: server.port, path: studies, method: 'POST', headers });
    await once(
      sent.on('error', () => undefined),
      'continue',
    );
    const answered = once(sent, 'response');
    sent.end(tinyCt().bytes);
    const [answer] = (await answered) as [IncomingMessage];
    answer.resume();
    expect([answer.statusCode, server.intake.stored.length]).toEqual([200, 1]);
    // One that was told so says nothing of its connection.
    expect(answer.headers.connection).not.toBe('close');
  });
});
