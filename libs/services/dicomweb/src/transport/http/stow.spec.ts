import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { ObjectIntake } from '../../application/ports/intake.js';
import { StoreInstances, type StoreLimits } from '../../application/store-instances.js';
import { ct } from '../../test-support/metadata-request.js';
import { storeLimits } from '../../test-support/store-limits.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { type BodyBounds, bodyBounds } from './request-body.js';
import { StowController } from './stow.controller.js';

const bounds: BodyBounds = {
  ...bodyBounds,
  paceBytes: 100,
  everyMs: 500,
  leftoverBytesMax: 1_000_000,
  leftoverMs: 200,
};
const limits: StoreLimits = { ...storeLimits, requestsMax: 2, partsMax: 10, bytesMax: 32_000_000 };

describe('a STOW-RS request', () => {
  let http: FastifyInstance;
  let url: string;
  const stored: Buffer[] = [];
  let begun = 0;
  const intake: ObjectIntake = {
    begin: () => {
      begun++;
      const chunks: Uint8Array[] = [];
      return {
        write: (bytes) => Promise.resolve(void chunks.push(bytes)),
        sopInstance: () => ({ sopClassUid: '1.2', sopInstanceUid: `1.3.${begun}` }),
        commit: () => {
          stored.push(Buffer.concat(chunks));
          return Promise.resolve({
            sopClassUid: '1.2',
            sopInstanceUid: '1.3',
            studyInstanceUid: '1.4',
            seriesInstanceUid: '1.5',
            status: 'stored',
          });
        },
        abort: () => Promise.resolve(),
      };
    },
  };

  beforeAll(async () => {
    const settings = { CALLOSUM_PUBLIC_URL: 'http://here/' } as PlatformSettings;
    const controller = new StowController(
      new StoreInstances(intake, limits, () => undefined),
      settings,
      () => undefined,
      bounds,
    );
    const filter = new DicomwebErrorFilter(createLogger('dicomweb-test', 'silent'));
    http = fastify();
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('*', (_request, _payload, done) => done(null));
    // Without a promise, which Fastify would take for the answer.
    http.post('/studies', (request, reply) => {
      void controller.store(request, reply).catch((error: unknown) => reply.send(error));
    });
    http.setErrorHandler((error, _request, reply) => {
      filter.catch(error, { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost);
    });
    url = `${await http.listen({ host: '127.0.0.1', port: 0 })}/studies`;
  });
  afterAll(() => http.close());
  beforeEach(() => {
    stored.splice(0);
    begun = 0;
  });

  const post = async (headers: Record<string, string>, body: Uint8Array = Buffer.from('an object')): Promise<number> =>
    (
      await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/dicom', ...headers },
        body: Buffer.from(body),
      })
    ).status;

  it.each([
    ['gzip over a plain body', 'gzip', Buffer.from('an object')],
    ['gzip', 'gzip', gzipSync('an object')],
    ['one of several codings', 'identity, BR', Buffer.from('an object')],
  ])('with %s is answered 415 and stores nothing', async (_, encoding, body) => {
    expect(await post({ 'content-encoding': encoding }, body)).toBe(415);
    expect(stored).toEqual([]);
  });

  it('is answered with a type that is equal to application/dicom+json, and says where to retrieve what it stored', async () => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/dicom' },
      body: 'an object',
    });
    expect(answer.headers.get('content-type')).toBe('application/dicom+json');
    const dataset = (await answer.json()) as Record<string, { readonly Value?: readonly unknown[] }>;
    expect(dataset['00081190']?.Value).toEqual(['http://here/dicom-web/studies/1.4']);
  });

  it('without a coding, or with none by name, is stored as it is', async () => {
    expect(await post({})).toBe(200);
    expect(await post({ 'content-encoding': 'identity' })).toBe(200);
    expect(stored.map(String)).toEqual(['an object', 'an object']);
  });

  it('refuses a coding of one part as well', async () => {
    const part = '--x\r\nContent-Type: application/dicom\r\nContent-Encoding: gzip\r\n\r\nan object\r\n--x--\r\n';
    const type = 'multipart/related; type="application/dicom"; boundary=x';
    expect(await post({ 'content-type': type }, Buffer.from(part))).toBe(415);
    expect(stored).toEqual([]);
  });

  it.each(['application/xml', 'multipart/related; type="application/dicom+xml"', 'text/html'])(
    'that takes only %s is answered 406 and stores nothing',
    async (accept) => {
      expect(await post({ accept })).toBe(406);
      expect(stored).toEqual([]);
    },
  );

  it.each([
    ['application/dicom+json', 'application/dicom+json'],
    ['application/json', 'application/dicom+json'],
    ['*/*', 'application/dicom+json'],
    ['application/dicom+xml, application/dicom+json;q=0.5', 'application/dicom+xml'],
    ['application/dicom+json, application/dicom+xml;q=0.5', 'application/dicom+json'],
  ])('that takes %s is answered as %s', async (accept, type) => {
    const headers = { 'content-type': 'application/dicom', accept };
    const answer = await fetch(url, { method: 'POST', headers, body: 'an object' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type]);
    const text = await answer.text();
    expect(text).toContain('http://here/dicom-web/studies/1.4');
    expect(text.startsWith(type.endsWith('xml') ? '<?xml' : '{')).toBe(true);
  });

  describe('as dcm4che sends it', () => {
    const boundary = '-------gc0p4Jq0M2Yt08jU534c0p';
    // A line end before the first boundary, blanks behind each header, no quotes around the type.
    const body = (headers: string, bytes: string): Buffer =>
      Buffer.from(`\r\n--${boundary}\r\n${headers}\r\n\r\n${bytes}\r\n--${boundary}--\r\n`);
    const headers = (type: string): Record<string, string> => ({
      'content-type': `multipart/related; type=${type}; boundary=${boundary}`,
      accept: 'application/dicom+xml',
      charset: 'utf-8',
    });

    it('is stored, and answered in XML', async () => {
      const sent = body(
        'Content-Disposition: inline; name="file[]"; filename="a.dcm"\r\nContent-Type: application/dicom ',
        'an object',
      );
      const answer = await fetch(url, { method: 'POST', headers: headers('application/dicom'), body: sent });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/dicom+xml']);
      expect(await answer.text()).toMatch(/<DicomAttribute tag="00081199" keyword="ReferencedSOPSequence" vr="SQ">/);
      expect(stored.map(String)).toEqual(['an object']);
    });

    it('names what failed', async () => {
      const sent = body('Content-Type: application/dicom ', '');
      const answer = await fetch(url, { method: 'POST', headers: headers('application/dicom'), body: sent });
      expect(answer.status).toBe(409);
      expect(await answer.text()).toMatch(
        /<DicomAttribute tag="00081197" keyword="FailureReason" vr="US"><Value number="1">/,
      );
    });

    it('as metadata is taken as JSON by its former name', async () => {
      const { '7FE00010': _pixels, ...json } = ct('1.1').json;
      const sent = body('Content-Type: application/json; transfer-syntax=1.2.840.10008.1.2.1 ', JSON.stringify(json));
      expect(await post(headers('application/json'), sent)).toBe(200);
      expect(stored).toHaveLength(1);
      // Any JSON could call itself so.
      expect(await post({ 'content-type': 'application/json' }, Buffer.from(JSON.stringify(json)))).toBe(415);
    });
  });

  describe('whose sender goes on when its answer is known', () => {
    const part = '--x\r\nContent-Type: application/dicom\r\n\r\nan object\r\n';
    const refused = `${part}--x\r\nContent-Type: text/html\r\n\r\n`;

    /** What the server sends until it ends, to a client that writes whatever it is told. */
    async function answerTo(
      head: string,
      send: (socket: Socket, isEnded: () => boolean) => Promise<void>,
    ): Promise<string> {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let received = '';
      let ended = false;
      socket.on('data', (bytes) => (received += bytes.toString('latin1')));
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.on('error', () => undefined).on('close', () => (ended = true));
      await once(socket, 'connect');
      socket.write(`POST /studies HTTP/1.1\r\nHost: here\r\n${head}\r\n\r\n`);
      await send(socket, () => ended);
      socket.end();
      await closed;
      return received;
    }
    const multipart = 'Content-Type: multipart/related; type="application/dicom"; boundary=x';

    it('too slowly is answered 408', async () => {
      const answer = await answerTo('Content-Type: application/dicom\r\nContent-Length: 1000', async (socket) => {
        for (let i = 0; i < 30; i++) {
          socket.write('x');
          await sleep(50);
        }
      });
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
      expect(answer).toMatch(/\r\n\r\nthe request comes too slowly\n/);
      expect(stored).toEqual([]);
    });

    it('for longer than it is waited for is told what is stored, and may send all of it', async () => {
      let sent = 0;
      const answer = await answerTo(`${multipart}\r\nContent-Length: ${refused.length + 500}`, async (socket) => {
        socket.write(refused);
        for (; sent < 500; sent += 10) {
          socket.write('0123456789');
          await sleep(10);
        }
      });
      expect(sent).toBe(500);
      expect(answer).toMatch(/^HTTP\/1\.1 202 /);
      expect(answer).toMatch(/"00081199":/);
      expect(stored.map(String)).toEqual(['an object']);
    });

    it('with more than is read before the answer is answered when it has sent all', async () => {
      const bytes = 20 * bounds.leftoverBytesMax;
      const answer = await answerTo(
        `${multipart}\r\nContent-Length: ${refused.length + bytes}`,
        async (socket, isEnded) => {
          socket.pause();
          socket.write(refused);
          for (let sent = 0; sent < bytes && !isEnded(); sent += 100_000)
            if (!socket.write(Buffer.alloc(100_000))) await once(socket, 'drain');
          socket.resume();
        },
      );
      expect(answer).toMatch(/^HTTP\/1\.1 202 /);
    });

    it('behind the closing boundary is answered all the same', async () => {
      const whole = `${part}--x--\r\n`;
      const answer = await answerTo(`${multipart}\r\nTransfer-Encoding: chunked`, async (socket, isEnded) => {
        socket.write(`${whole.length.toString(16)}\r\n${whole}\r\n`);
        await expect.poll(() => stored.length).toBe(1);
        await sleep(2 * bounds.leftoverMs);
        expect(isEnded()).toBe(false);
        socket.write('0\r\n\r\n');
      });
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    });
  });

  it('that breaks behind an object says what became of that, and why the rest was not read', async () => {
    const type = 'multipart/related; type="application/dicom"; boundary=x';
    const part = '--x\r\nContent-Type: application/dicom\r\n\r\nan object\r\n';
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body: `${part}--xx` });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('warning')).toBe('299 callosum "a multipart boundary is malformed"');
    const dataset = (await answer.json()) as Record<string, { readonly Value?: readonly unknown[] }>;
    expect(dataset['00081199']?.Value).toHaveLength(1);
    expect(dataset['0008119A']?.Value).toEqual([{ '00081197': { vr: 'US', Value: [0xc000] } }]);
  });

  it('beyond those that may store at once is answered 503 with Retry-After, and taken when one of them has ended', async () => {
    const hanging = Array.from({ length: limits.requestsMax }, () => {
      const sent = request(url, { method: 'POST', headers: { 'content-type': 'application/dicom' } });
      const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
      sent.write('an obj');
      return { sent, answered };
    });
    await expect.poll(() => begun).toBe(limits.requestsMax);
    const refused = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body: 'x' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(stored).toEqual([]);
    for (const { sent, answered } of hanging) {
      sent.end('ect');
      const [response] = await answered;
      response.resume();
      expect(response.statusCode).toBe(200);
    }
    expect(await post({})).toBe(200);
  });
});
