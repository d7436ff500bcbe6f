import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { gzipSync } from 'node:zlib';

import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { ObjectIntake } from '../../application/ports.js';
import { StoreInstances, type StoreLimits } from '../../application/store-instances.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { StowController } from './stow.controller.js';

const limits: StoreLimits = { requestsMax: 2, bytesMax: 1_000_000, partBytesMax: 1_000_000, partsMax: 10 };

describe('a STOW-RS request', () => {
  let http: FastifyInstance;
  let url: string;
  const stored: Buffer[] = [];
  let begun = 0;
  const intake: ObjectIntake = {
    store: async (body) => {
      begun++;
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      stored.push(Buffer.concat(chunks));
      return {
        sopClassUid: '1.2',
        sopInstanceUid: '1.3',
        studyInstanceUid: '1.4',
        seriesInstanceUid: '1.5',
        status: 'stored',
      };
    },
  };

  beforeAll(async () => {
    const settings = { CALLOSUM_PUBLIC_URL: 'http://here' } as PlatformSettings;
    const controller = new StowController(new StoreInstances(intake, limits), settings, () => undefined);
    const filter = new DicomwebErrorFilter(createLogger('dicomweb-test', 'silent'));
    http = fastify();
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('*', (_request, _payload, done) => done(null));
    http.post('/studies', (request, reply) => controller.store(request, reply));
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

  it.each(['application/dicom+xml', 'multipart/related; type="application/dicom+xml"', 'text/html'])(
    'that takes only %s is answered 406 and stores nothing',
    async (accept) => {
      expect(await post({ accept })).toBe(406);
      expect(stored).toEqual([]);
    },
  );

  it.each(['application/dicom+json', 'application/json', '*/*', 'application/dicom+xml, application/dicom+json;q=0.5'])(
    'that takes %s is answered',
    async (accept) => {
      expect(await post({ accept })).toBe(200);
    },
  );

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
