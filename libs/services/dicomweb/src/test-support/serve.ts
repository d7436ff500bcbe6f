import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';

import { ByteBudget } from '@callosum/archive';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify';

import type { KeptInstances } from '../application/ports/archive.js';
import type { StudyIndexReader } from '../application/ports/index.js';
import { ReadInstances } from '../application/read-instances.js';
import { ReadMetadata } from '../application/read-metadata.js';
import { Retrieves } from '../application/retrieves.js';
import { Answers } from '../transport/http/answer.js';
import { BulkDataController } from '../transport/http/bulkdata.controller.js';
import { DicomwebErrorFilter } from '../transport/http/dicomweb-error.filter.js';
import { FramesController } from '../transport/http/frames.controller.js';
import { InstancesController } from '../transport/http/instances.controller.js';
import { MetadataController } from '../transport/http/metadata.controller.js';
import type { ResourcePath } from '../transport/http/resource-path.js';
import { type Guard, guardByHeaders } from './guard.js';
import { indexOf, readersOf } from './kept.js';

export interface Got {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Served {
  readonly url: string;
  /** Lines of the log. */
  readonly logged: readonly string[];
  ask(path: string, headers?: Record<string, string>, method?: string): Promise<Got>;
  /** Asks, and reads nothing of the answer until it is closed. */
  askUnread(path: string, headers?: Record<string, string>): Promise<IncomingMessage>;
  close(): Promise<unknown>;
}

export interface ServeOptions {
  /** Knows nothing where it is not given. */
  readonly index?: Partial<StudyIndexReader>;
  readonly requestsMax?: number;
  readonly bytesMax?: number;
  readonly guard?: Guard;
}

const unknowing: StudyIndexReader = {
  ...indexOf(undefined),
  metadata: async function* () {},
  awaitIndexed: (_study, blobKeys) => Promise.resolve(new Set(blobKeys)),
  search: () => {
    throw new Error('not asked');
  },
};

/** WADO-RS of this archive, by its controllers, under the paths that PS3.18 10.4 has. */
export async function serveRetrieves(
  kept: KeptInstances,
  { index = {}, requestsMax = 2, bytesMax = 1_000_000, guard = guardByHeaders }: ServeOptions = {},
): Promise<Served> {
  const logged: string[] = [];
  const logger = createLogger('dicomweb-test', 'info', { write: (line: string) => void logged.push(line) });
  const platform = { CALLOSUM_PUBLIC_URL: 'https://pacs.example' } as PlatformSettings;
  const reader = { ...unknowing, ...index };
  const answers = new Answers(new Retrieves(new ByteBudget(bytesMax), { requestsMax, memoryWaitMs: 1_000 }), logger);
  const { frames, bulk } = readersOf(kept, reader);
  const instances = new InstancesController(new ReadInstances(kept), answers, platform);
  const metadata = new MetadataController(new ReadMetadata(kept, reader, 0), answers, platform);
  const ofFrames = new FramesController(frames, answers, platform);
  const ofBulkData = new BulkDataController(frames, bulk, answers, platform);
  const filter = new DicomwebErrorFilter(logger);
  const http = fastify({ forceCloseConnections: true, routerOptions: { maxParamLength: 16_384 } });
  http.addHook('onRequest', guard);
  const serve = (
    template: string,
    handle: (asked: FastifyRequest, reply: FastifyReply, path: Required<ResourcePath>) => Promise<void>,
  ): void => {
    // Without a promise, which Fastify would take for the answer.
    http.get(template, (asked, reply) => {
      void handle(asked, reply, asked.params as Required<ResourcePath>).catch((error: unknown) => reply.send(error));
    });
  };
  const study = '/dicom-web/studies/:study';
  const series = `${study}/series/:series`;
  const instance = `${series}/instances/:instance`;
  for (const [at, template] of [study, series, instance].entries()) {
    const named = ({ study, series, instance }: ResourcePath): ResourcePath => ({
      study,
      ...(at > 0 && series !== undefined ? { series } : {}),
      ...(at > 1 && instance !== undefined ? { instance } : {}),
    });
    serve(template, (asked, reply, path) => instances.study(asked, reply, named(path)));
    serve(`${template}/metadata`, (asked, reply, path) => metadata.study(asked, reply, named(path)));
  }
  serve(`${instance}/frames/:frames`, (asked, reply, path) =>
    ofFrames.frames(asked, reply, path, (path as unknown as { readonly frames: string }).frames),
  );
  serve(`${instance}/bulkdata/*`, (asked, reply, path) => ofBulkData.bulkData(asked, reply, path));
  http.setErrorHandler((error, _request, reply) => {
    filter.catch(error, { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost);
  });
  const url = await http.listen({ host: '127.0.0.1', port: 0 });

  const askUnread = async (
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<IncomingMessage> => {
    const sent = request(`${url}${path}`, { method, headers, agent: false });
    sent.on('error', () => undefined).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response.on('error', () => undefined).pause();
  };
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> => {
    const response = await askUnread(path, headers, method);
    return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
  };
  return { url, logged, ask, askUnread, close: () => http.close() };
}
