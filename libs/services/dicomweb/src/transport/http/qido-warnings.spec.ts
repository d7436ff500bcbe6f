import type { imaging } from '@callosum/contracts';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { FoundRows, StudyIndexReader } from '../../application/ports/index.js';
import { SearchMatches } from '../../application/search-matches.js';
import type { DicomwebSettings } from '../../settings.js';
import { QidoController } from './qido.controller.js';

describe('a QIDO-RS request that finds nothing', () => {
  let http: FastifyInstance;
  let answers: FoundRows[];

  beforeEach(() => {
    const index = {
      search: async function* (_request: imaging.SearchRequest): AsyncGenerator<FoundRows> {
        await Promise.resolve();
        yield* answers;
      },
    } as unknown as StudyIndexReader;
    const archive = { recentBlobs: () => Promise.resolve([]) };
    const controller = new QidoController(
      new SearchMatches(index, archive, { requestsMax: 4, indexWaitMs: 100 }),
      { CALLOSUM_QIDO_LIMIT_MAX: 10 } as DicomwebSettings,
      { CALLOSUM_PUBLIC_URL: 'http://here/' } as PlatformSettings,
      createLogger('dicomweb-test', 'info', { write: () => undefined }),
    );
    http = fastify();
    http.get('/dicom-web/studies', async (request, reply) => {
      await controller.studies(request, reply);
      return reply;
    });
  });
  afterEach(() => http.close());

  it('warns of keys that were left out', async () => {
    answers = [{ rows: [], unsupportedKeys: ['00080060', '00091001'] }];
    const { headers, statusCode, body } = await http.inject('/dicom-web/studies?Modality=CT&00091001=x');
    expect([statusCode, body]).toEqual([204, '']);
    expect(headers['warning']).toBe('299 callosum "not supported at this level, and left out: 00080060, 00091001"');
  });

  it('since none was wanted warns of keys that were left out, and of no more results', async () => {
    const rows = [{ dicomJson: '{}' } as imaging.SearchRow];
    answers = [{ rows, unsupportedKeys: ['00091001'] }];
    const { headers, statusCode } = await http.inject('/dicom-web/studies?limit=0&00091001=x');
    expect(statusCode).toBe(204);
    expect(headers['warning']).toBe('299 callosum "not supported at this level, and left out: 00091001"');
  });

  it('has nothing to warn of where all keys were matched', async () => {
    answers = [{ rows: [], unsupportedKeys: [] }];
    const { headers, statusCode } = await http.inject('/dicom-web/studies?PatientID=1');
    expect(statusCode).toBe(204);
    expect(headers).not.toHaveProperty('warning');
  });
});
