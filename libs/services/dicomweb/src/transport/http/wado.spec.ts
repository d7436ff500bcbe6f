import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';

import { ByteBudget } from '@callosum/archive';
import { ExplicitVRLittleEndian } from '@callosum/dicom';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { KeptInstance, KeptInstances, StudyIndexReader } from '../../application/ports.js';
import { ReadInstances } from '../../application/read-instances.js';
import { ReadMetadata } from '../../application/read-metadata.js';
import { ReadPixels } from '../../application/read-pixels.js';
import { Retrieves } from '../../application/retrieves.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { WadoController } from './wado.controller.js';

const requestsMax = 2;
const instance: KeptInstance = {
  studyInstanceUid: '1.2',
  seriesInstanceUid: '1.3',
  sopInstanceUid: '1.4',
  transferSyntaxUid: ExplicitVRLittleEndian,
  blobKey: 'blob',
  byteCount: 64 * 1024 * 1024,
};

/** More than sockets take, in pieces that are made when they are asked for. */
const endless = (): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < instance.byteCount; at += 64 * 1024) yield Buffer.alloc(64 * 1024);
    })(),
    { objectMode: false },
  );

describe('a WADO-RS request', () => {
  let http: FastifyInstance;
  let url: string;
  let opened: Readable[];
  let open: () => Promise<Readable>;

  const kept: KeptInstances = {
    locate: () => Promise.resolve([instance]),
    open: async () => {
      const body = await open();
      opened.push(body);
      return body;
    },
  };
  const index = { pixelData: () => Promise.resolve(undefined) } as unknown as StudyIndexReader;

  beforeEach(async () => {
    opened = [];
    open = () => Promise.resolve(endless());
    const controller = new WadoController(
      new ReadInstances(kept),
      new ReadMetadata(kept, index, 0),
      new ReadPixels(kept, index),
      new Retrieves(new ByteBudget(1_000_000), { requestsMax, memoryWaitMs: 1_000 }),
    );
    const filter = new DicomwebErrorFilter(createLogger('dicomweb-test', 'silent'));
    http = fastify({ forceCloseConnections: true });
    const path = { study: '1.2', series: '1.3', instance: '1.4' };
    const routes: Record<string, (asked: FastifyRequest, reply: FastifyReply) => Promise<void>> = {
      '/instance': (asked, reply) => controller.instance(asked, reply, path),
      '/frames': (asked, reply) => controller.frames(asked, reply, path, '1'),
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

  it('for frames of an object too large to be held, which the index does not know yet, is to come again', async () => {
    const answer = await fetch(`${url}/frames`, { headers: { accept: '*/*' } });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  });
});
