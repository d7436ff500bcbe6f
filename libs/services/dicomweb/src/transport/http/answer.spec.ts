import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import { ByteBudget } from '@callosum/archive';
import { deflatePiece } from '@callosum/gzip';
import { ObjectStoreUnavailableError } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { KeptInstance, KeptInstances } from '../../application/ports/archive.js';
import type { StudyIndexReader } from '../../application/ports/index.js';
import { ReadInstances } from '../../application/read-instances.js';
import { ReadMetadata } from '../../application/read-metadata.js';
import { Retrieves } from '../../application/retrieves.js';
import { keptInstance, readersOf } from '../../test-support/kept.js';
import { Answers } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { FramesController } from './frames.controller.js';
import { InstancesController } from './instances.controller.js';
import { MetadataController } from './metadata.controller.js';

const requestsMax = 2;
const instance = keptInstance({ byteCount: 64 * 1024 * 1024 });

/** More than sockets take, in pieces that are made when they are asked for. */
const endless = (): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < instance.byteCount; at += 64 * 1024) yield Buffer.alloc(64 * 1024);
    })(),
    { objectMode: false },
  );

const ct = tinyCt();

describe('a WADO-RS request', () => {
  let http: FastifyInstance;
  let url: string;
  let opened: Readable[];
  let open: (signal: AbortSignal) => Promise<Readable>;
  let stored: KeptInstance[];
  let logged: string[];
  /** How often the index was asked for metadata. */
  let reads: number;
  /** The index breaks off. */
  let broken: boolean;
  /** Of the metadata: between two of them stands the base. */
  let pieces: readonly string[];

  const kept: KeptInstances = {
    locate: () => Promise.resolve(stored),
    open: async (_key, signal) => {
      const body = await open(signal);
      opened.push(body);
      return body;
    },
  };
  const index = {
    frames: () => Promise.resolve(undefined),
    metadata: async function* () {
      reads++;
      yield { sopInstanceUid: '1.4', pieces: pieces.map(deflatePiece), blobKey: 'blob', isPartial: false };
      if (broken) throw new ObjectStoreUnavailableError('away');
    },
  } as unknown as StudyIndexReader;

  beforeEach(async () => {
    opened = [];
    stored = [instance];
    logged = [];
    broken = false;
    pieces = ['{"7FE00010":{"vr":"OW","BulkDataURI":"', '/dicom-web/x"}}'];
    reads = 0;
    open = () => Promise.resolve(endless());
    const logger = createLogger('dicomweb-test', 'info', { write: (line: string) => void logged.push(line) });
    const retrieves = new Retrieves(new ByteBudget(1_000_000), { requestsMax, memoryWaitMs: 1_000 });
    const answers = new Answers(retrieves, logger);
    const platform = { CALLOSUM_PUBLIC_URL: 'https://pacs.example/imaging/' } as PlatformSettings;
    const instances = new InstancesController(new ReadInstances(kept), answers, platform);
    const metadata = new MetadataController(new ReadMetadata(kept, index, 0), answers, platform);
    const frames = new FramesController(readersOf(kept, index).frames, answers, platform);
    const filter = new DicomwebErrorFilter(logger);
    http = fastify({ forceCloseConnections: true });
    const path = { study: '1.2', series: '1.3', instance: '1.4' };
    const routes: Record<string, (asked: FastifyRequest, reply: FastifyReply) => Promise<void>> = {
      '/instance': (asked, reply) => instances.instance(asked, reply, path),
      '/study': (asked, reply) => instances.study(asked, reply, { study: '1.2' }),
      '/metadata': (asked, reply) => metadata.instance(asked, reply, path),
      '/frames': (asked, reply) => frames.frames(asked, reply, path, '1'),
    };
    for (const [at, handle] of Object.entries(routes)) {
      // Without a promise, which Fastify would take for the answer.
      http.get(at, (asked, reply) => void handle(asked, reply).catch((error: unknown) => reply.send(error)));
    }
    http.setErrorHandler((error, _request, reply) => {
      filter.catch(error, { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost);
    });
    url = await http.listen({ host: '127.0.0.1', port: 0 });
  });
  afterEach(() => http.close());

  /** A client that reads nothing of what is answered. */
  async function unread(accept: string): Promise<IncomingMessage> {
    const sent = request(`${url}/instance`, { headers: { accept }, agent: false });
    sent.on('error', () => undefined).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.on('error', () => undefined).pause();
    return response;
  }

  const status = async (accept: string): Promise<number> => {
    const answer = await fetch(`${url}/instance`, { headers: { accept } });
    await answer.body?.cancel();
    return answer.status;
  };

  const forms = ['application/dicom', 'multipart/related; type="application/dicom"'];

  it.each(forms)('beyond those that may retrieve at once is answered 503 with Retry-After (%s)', async (accept) => {
    const slow = await Promise.all(Array.from({ length: requestsMax }, () => unread(accept)));
    const refused = await fetch(`${url}/instance`, { headers: { accept } });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(opened).toHaveLength(requestsMax);
    slow[0]?.destroy();
    await expect.poll(() => opened.filter(({ destroyed }) => destroyed).length).toBe(1);
    await expect.poll(() => status(accept)).toBe(200);
  });

  it.each(forms)(
    'whose client takes nothing is cut when the connection is idle, and frees the object (%s)',
    async (accept) => {
      http.server.timeout = 300;
      const response = await unread(accept);
      const cut = new Promise((resolve) => response.once('close', resolve));
      await expect.poll(() => opened[0]?.destroyed, { timeout: 5_000 }).toBe(true);
      response.resume();
      await cut;
      expect(response.complete).toBe(false);
      http.server.timeout = 0;
      for (let n = 0; n < requestsMax + 1; n++) await expect.poll(() => status(accept)).toBe(200);
    },
  );

  it('whose client is gone before the object is open frees it', async () => {
    let go = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      open = async () => {
        resolve();
        await new Promise<void>((more) => (go = more));
        return endless();
      };
    });
    const sent = request(`${url}/instance`, { headers: { accept: 'application/dicom' }, agent: false });
    sent.on('error', () => undefined).end();
    await asked;
    sent.destroy();
    await expect.poll(() => promisify(http.server.getConnections.bind(http.server))()).toBe(0);
    go();
    await expect.poll(() => opened[0]?.destroyed).toBe(true);
  });

  /** Asks, and goes when the object is being opened. */
  async function askAndGo(accept: string, opening: () => number, at = '/instance'): Promise<void> {
    const before = opening();
    const sent = request(`${url}${at}`, { headers: { accept }, agent: false });
    sent.on('error', () => undefined).end();
    await expect.poll(opening).toBe(before + 1);
    sent.destroy();
    await expect.poll(() => promisify(http.server.getConnections.bind(http.server))()).toBe(0);
  }

  it.each(forms)('whose client has gone counts while something is still read for it (%s)', async (accept) => {
    const waiting: (() => void)[] = [];
    const signals: AbortSignal[] = [];
    // A store that does not give up.
    open = async (signal) => {
      signals.push(signal);
      await new Promise<void>((go) => waiting.push(go));
      return endless();
    };
    for (let n = 0; n < requestsMax; n++) await askAndGo(accept, () => waiting.length);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(await status(accept)).toBe(503);
    for (const go of waiting) go();
    open = () => Promise.resolve(endless());
    await expect.poll(() => opened.filter(({ destroyed }) => destroyed)).toHaveLength(requestsMax);
    for (let n = 0; n < requestsMax + 1; n++) await expect.poll(() => status(accept)).toBe(200);
  });

  it.each(forms)('whose client has gone is given up at the store, and is no failure (%s)', async (accept) => {
    let opening = 0;
    open = (signal) => {
      opening++;
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    };
    for (let n = 0; n < 2 * requestsMax; n++) await askAndGo(accept, () => opening);
    open = () => Promise.resolve(endless());
    await expect.poll(() => status(accept)).toBe(200);
    expect(logged).toEqual([]);
  });

  it('of an object that cannot be read is our failure, and logged', async () => {
    stored = [{ ...instance, byteCount: 1_000, blobKey: 'other' }];
    open = () => Promise.resolve(Readable.from([Buffer.alloc(1_000)]));
    for (const at of ['/metadata', '/frames']) expect((await fetch(`${url}${at}`)).status, at).toBe(500);
    expect(logged.filter((line) => line.includes('dicomweb.object-broken'))).toHaveLength(2);
  });

  it('of several objects is refused when the first cannot be read', async () => {
    stored = [instance, { ...instance, sopInstanceUid: '1.5' }];
    open = () => Promise.reject(new ObjectStoreUnavailableError('away'));
    const answer = await fetch(`${url}/study`, { headers: { accept: '*/*' } });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });

  it('that fails in the middle of its body is cut, logged, and frees what it had', async () => {
    stored = [instance, { ...instance, sopInstanceUid: '1.5' }];
    let times = 0;
    open = () =>
      times++ % 2 === 0
        ? Promise.resolve(Readable.from([Buffer.alloc(1_000)]))
        : Promise.reject(new ObjectStoreUnavailableError('away'));
    for (let n = 0; n < 2 * requestsMax; n++) {
      const answer = await fetch(`${url}/study`, { headers: { accept: '*/*' } });
      expect(answer.status).toBe(200);
      await expect(answer.arrayBuffer()).rejects.toThrow();
    }
    await expect
      .poll(() => logged.filter((line) => line.includes('dicomweb.answer-cut')))
      .toHaveLength(2 * requestsMax);
    stored = [instance];
    open = () => Promise.resolve(endless());
    await expect.poll(() => status('application/dicom')).toBe(200);
  });

  it('for metadata gives bulk data URIs that are absolute, under the address of the site', async () => {
    const answer = await fetch(`${url}/metadata`, { headers: { accept: 'application/dicom+json' } });
    expect(answer.headers.get('content-type')).toBe('application/dicom+json');
    expect(await answer.json()).toEqual([
      { '7FE00010': { vr: 'OW', BulkDataURI: 'https://pacs.example/imaging/dicom-web/x' } },
    ]);
  });

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
    [undefined, (bytes: Buffer) => bytes],
  ] as const)('for metadata is answered in the content coding it takes (%s)', async (coding, decoded) => {
    const headers = { accept: '*/*', ...(coding === undefined ? {} : { 'accept-encoding': coding }) };
    const sent = request(`${url}/metadata`, { headers, agent: false });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const body = await buffer(response);
    expect([response.headers['content-encoding'], response.headers.vary]).toEqual([coding, 'accept, accept-encoding']);
    expect(JSON.parse(decoded(body).toString())).toEqual([
      { '7FE00010': { vr: 'OW', BulkDataURI: 'https://pacs.example/imaging/dicom-web/x' } },
    ]);
  });

  it('for metadata is answered in XML where that is taken, with an entity tag of its own', async () => {
    const ask = (accept: string): Promise<Response> => fetch(`${url}/metadata`, { headers: { accept } });
    const answer = await ask('multipart/related; type="application/dicom+xml", application/dicom+json;q=0.9');
    expect(answer.headers.get('content-type')).toMatch(
      /^multipart\/related; type="application\/dicom\+xml"; boundary=/,
    );
    expect(await answer.text()).toContain('<BulkData uri="https://pacs.example/imaging/dicom-web/x"/>');
    const one = await ask('application/dicom+xml');
    expect([one.headers.get('content-type'), (await one.text()).endsWith('</NativeDicomModel>\n')]).toEqual([
      'application/dicom+xml',
      true,
    ]);
    const tags = [answer, one, await ask('*/*')].map(({ headers }) => headers.get('etag'));
    expect(new Set(tags).size).toBe(3);
    for (const accept of ['text/xml', 'application/dicom+json;q=0', 'multipart/related; type="application/dicom"'])
      expect((await ask(accept)).status, accept).toBe(406);
  });

  it('for metadata that breaks off when some of it has been sent is cut', async () => {
    broken = true;
    pieces = [
      `{"00081030":{"vr":"LO","Value":["${'x'.repeat(200_000)}"]},"7FE00010":{"vr":"OW","BulkDataURI":"`,
      '"}}',
    ];
    const answer = await fetch(`${url}/metadata`, { headers: { 'accept-encoding': 'identity' } });
    await expect(answer.text()).rejects.toThrow();
    await expect.poll(() => logged.filter((line) => line.includes('dicomweb.answer-cut'))).toHaveLength(1);
  });

  it.each(['gzip', 'br'])(
    'for metadata that breaks off before is answered with the error, not coded (%s)',
    async (coding) => {
      broken = true;
      const answer = await fetch(`${url}/metadata`, { headers: { 'accept-encoding': coding } });
      for (const name of ['content-encoding', 'etag']) expect(answer.headers.get(name), name).toBeNull();
      expect(answer.status).toBe(503);
      expect(await answer.text()).toBe('the request could not be served\n');
      broken = false;
      for (let n = 0; n < requestsMax + 1; n++) expect((await fetch(`${url}/metadata`)).status).toBe(200);
    },
  );

  it('for metadata that its client has is answered so, and nothing is read for it', async () => {
    const etag = (await fetch(`${url}/metadata`)).headers.get('etag') ?? '';
    reads = 0;
    const again = (): Promise<Response> => fetch(`${url}/metadata`, { headers: { 'if-none-match': etag } });
    for (let n = 0; n < requestsMax + 1; n++) {
      const answer = await again();
      expect([answer.status, answer.headers.get('etag'), await answer.text()]).toEqual([304, etag, '']);
    }
    expect(reads).toBe(0);
    // A correction.
    stored = [{ ...instance, blobKey: 'other', byteCount: ct.bytes.length }];
    open = () => Promise.resolve(Readable.from([ct.bytes]));
    expect((await again()).status).toBe(200);
    stored = [];
    expect((await again()).status).toBe(404);
  });

  describe('by HEAD', () => {
    const head = async (at: string, accept: string): Promise<Response> => {
      const answer = await fetch(`${url}${at}`, { method: 'HEAD', headers: { accept } });
      expect(await answer.text()).toBe('');
      return answer;
    };

    it.each([
      ['/instance', 'application/dicom', /^application\/dicom; transfer-syntax=/],
      ['/study', '*/*', /^multipart\/related; type="application\/dicom"/],
      ['/metadata', 'application/dicom+json', /^application\/dicom\+json/],
    ])(
      'says of %s (%s) that it is there and how it would be given, and reads nothing of it',
      async (at, accept, type) => {
        for (let n = 0; n < requestsMax + 1; n++) {
          const answer = await head(at, accept);
          expect(answer.status).toBe(200);
          expect(answer.headers.get('content-type')).toMatch(type);
          const length = Number(answer.headers.get('content-length') ?? Number.NaN);
          if (at === '/instance') expect(length).toBe(instance.byteCount);
          else if (at === '/study') expect(length).toBeGreaterThan(instance.byteCount);
          else expect(length).toBeNaN();
        }
        expect(opened).toEqual([]);
      },
    );

    it('says what GET says where there is nothing, or nothing acceptable', async () => {
      expect((await head('/instance', 'text/html')).status).toBe(406);
      stored = [];
      for (const at of ['/instance', '/study', '/frames', '/metadata'])
        expect((await head(at, 'application/json, */*')).status, at).toBe(404);
      expect(opened).toEqual([]);
    });

    it('counts as a retrieve', async () => {
      await Promise.all(Array.from({ length: requestsMax }, () => unread('application/dicom')));
      expect((await head('/instance', '*/*')).status).toBe(503);
    });
  });

  it('for frames in fragments of a large object, which the index does not know yet, is to come again', async () => {
    stored = [{ ...instance, transferSyntaxUid: '1.2.840.10008.1.2.4.50' }];
    const answer = await fetch(`${url}/frames`, { headers: { accept: '*/*' } });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });
});
