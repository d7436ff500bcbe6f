import { imaging } from '@callosum/contracts';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach } from 'vitest';

import type { FoundRows, StudyIndexReader } from '../application/ports/index.js';
import { SearchMatches } from '../application/search-matches.js';
import type { DicomwebSettings } from '../settings.js';
import { DicomwebErrorFilter } from '../transport/http/dicomweb-error.filter.js';
import { QidoController } from '../transport/http/qido.controller.js';
import { type Guard, guardByHeaders } from './guard.js';

/** QIDO-RS at `/dicom-web/studies`, four requests at once, before an index that answers as the spec says. */
export interface QidoDoor {
  http: FastifyInstance;
  /** What the index was asked. */
  asked: imaging.SearchRequest[];
  /** Most results of an answer. */
  limitMax: number;
  publicUrl: string;
  answer: (request: imaging.SearchRequest, signal: AbortSignal) => AsyncGenerator<FoundRows>;
}

export const rowOf = (i: number): imaging.SearchRow =>
  imaging.SearchRow.fromPartial({
    dicomJson: `{"0020000D":{"vr":"UI","Value":["1.2.${i}"]}}`,
    studyInstanceUid: `1.2.${i}`,
  });

/** So many, in batches of two, as far as the limit of the request goes. */
export const studies = (count: number, unsupportedKeys: string[] = []) =>
  async function* ({ limit }: imaging.SearchRequest): AsyncGenerator<FoundRows> {
    const all = Array.from({ length: Math.min(count, limit) }, (_, i) => rowOf(i));
    for (let at = 0; at < all.length; at += 2) yield { rows: all.slice(at, at + 2), unsupportedKeys };
    await Promise.resolve();
  };

/** One for each test of the file that calls it. */
export function useQidoDoor(guard: Guard = guardByHeaders): QidoDoor {
  const door = {} as QidoDoor;
  beforeEach(() => {
    door.asked = [];
    door.limitMax = 3;
    door.publicUrl = 'http://here/';
    const index = {
      search: (request: imaging.SearchRequest, signal: AbortSignal) => {
        door.asked.push(request);
        return door.answer(request, signal);
      },
    } as unknown as StudyIndexReader;
    const logger = createLogger('dicomweb-test', 'info', { write: () => undefined });
    const archive = { recentBlobs: () => Promise.resolve([]) };
    const controller = new QidoController(
      new SearchMatches(index, archive, { requestsMax: 4, indexWaitMs: 100 }),
      {
        get CALLOSUM_QIDO_LIMIT_MAX() {
          return door.limitMax;
        },
      } as DicomwebSettings,
      {
        get CALLOSUM_PUBLIC_URL() {
          return door.publicUrl;
        },
      } as PlatformSettings,
      logger,
    );
    const filter = new DicomwebErrorFilter(logger);
    door.http = fastify();
    door.http.addHook('onRequest', guard);
    door.http.get('/dicom-web/studies', async (request, reply) => {
      const host = { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost;
      await controller.studies(request, reply).catch((error: unknown) => filter.catch(error, host));
      return reply;
    });
  });
  afterEach(() => door.http.close());
  return door;
}
