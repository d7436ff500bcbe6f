import { imaging } from '@callosum/contracts';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { StudyIndexReader } from '../../application/ports.js';
import { TooLargeError } from '../../domain/errors.js';
import type { DicomwebSettings } from '../../settings.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { QidoController } from './qido.controller.js';

describe('a QIDO-RS request', () => {
  let http: FastifyInstance;
  let asked: imaging.SearchRequest[];
  let answer: () => AsyncGenerator<imaging.SearchResponse>;

  const studies = (count: number, unsupportedKeys: string[] = []) =>
    async function* (): AsyncGenerator<imaging.SearchResponse> {
      for (let i = 0; i < count; i++)
        yield { dicomJson: `{"0020000D":{"vr":"UI","Value":["1.2.${i}"]}}`, unsupportedKeys };
      await Promise.resolve();
    };

  beforeEach(() => {
    asked = [];
    const index = {
      search: (request: imaging.SearchRequest) => {
        asked.push(request);
        return answer();
      },
    } as unknown as StudyIndexReader;
    const logger = createLogger('dicomweb-test', 'info', { write: () => undefined });
    const controller = new QidoController(
      index,
      { CALLOSUM_QIDO_LIMIT_MAX: 3 } as DicomwebSettings,
      { CALLOSUM_PUBLIC_URL: 'http://here' } as PlatformSettings,
    );
    const filter = new DicomwebErrorFilter(logger);
    http = fastify();
    http.get('/dicom-web/studies', async (request, reply) => {
      const host = { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost;
      await controller.studies(request, reply).catch((error: unknown) => filter.catch(error, host));
      return reply;
    });
  });
  afterEach(() => http.close());

  it('passes on paths into sequences, and says where to retrieve what was found', async () => {
    answer = studies(1);
    const response = await http.inject('/dicom-web/studies?ReferencedStudySequence.ReferencedSOPInstanceUID=1.2.3');
    expect(asked[0]?.matches).toEqual([{ tag: '00081110.00081155', value: '1.2.3' }]);
    expect(asked[0]?.onlyRequested).toBe(false);
    expect(response.json()).toEqual([
      {
        '0020000D': { vr: 'UI', Value: ['1.2.0'] },
        '00081190': { vr: 'UR', Value: ['http://here/dicom-web/studies/1.2.0'] },
      },
    ]);
    expect(response.headers).not.toHaveProperty('warning');
  });

  it('warns of keys that were left out, and of more results', async () => {
    answer = studies(3, ['00080060', '00091001']);
    const { headers, statusCode } = await http.inject('/dicom-web/studies?Modality=CT&00091001=x');
    expect(statusCode).toBe(200);
    expect(headers['warning']).toBe(
      '299 callosum "there may be more results; ask with offset=3", ' +
        '299 callosum "not supported at this level, and left out: 00080060, 00091001"',
    );
  });

  it('is 204 when nothing is found, and 413 when it is too broad', async () => {
    answer = studies(0);
    expect((await http.inject('/dicom-web/studies')).statusCode).toBe(204);
    answer = async function* () {
      await Promise.resolve();
      yield* [];
      throw new TooLargeError('study-index.search-too-broad: the search takes too long');
    };
    const tooBroad = await http.inject('/dicom-web/studies?OperatorsName=x');
    expect([tooBroad.statusCode, tooBroad.body]).toEqual([413, expect.stringContaining('takes too long')]);
  });
});
