import { setTimeout as sleep } from 'node:timers/promises';

import { imaging } from '@callosum/contracts';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import { multipartParts } from '@callosum/testing';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { FoundRows, StudyIndexReader } from '../../application/ports/index.js';
import { SearchMatches } from '../../application/search-matches.js';
import { TooLargeError } from '../../domain/errors/door.js';
import type { DicomwebSettings } from '../../settings.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { QidoController } from './qido.controller.js';

describe('a QIDO-RS request', () => {
  let http: FastifyInstance;
  let asked: imaging.SearchRequest[];
  let limitMax: number;
  let publicUrl: string;
  let answer: (request: imaging.SearchRequest, signal: AbortSignal) => AsyncGenerator<FoundRows>;

  const rowOf = (i: number): imaging.SearchRow =>
    imaging.SearchRow.fromPartial({
      dicomJson: `{"0020000D":{"vr":"UI","Value":["1.2.${i}"]}}`,
      studyInstanceUid: `1.2.${i}`,
    });
  /** So many, in batches of two, as far as the limit of the request goes. */
  const studies = (count: number, unsupportedKeys: string[] = []) =>
    async function* ({ limit }: imaging.SearchRequest): AsyncGenerator<FoundRows> {
      const all = Array.from({ length: Math.min(count, limit) }, (_, i) => rowOf(i));
      for (let at = 0; at < all.length; at += 2) yield { rows: all.slice(at, at + 2), unsupportedKeys };
      await Promise.resolve();
    };

  beforeEach(() => {
    asked = [];
    limitMax = 3;
    publicUrl = 'http://here/';
    const index = {
      search: (request: imaging.SearchRequest, signal: AbortSignal) => {
        asked.push(request);
        return answer(request, signal);
      },
    } as unknown as StudyIndexReader;
    const logger = createLogger('dicomweb-test', 'info', { write: () => undefined });
    const archive = { recentBlobs: () => Promise.resolve([]) };
    const controller = new QidoController(
      new SearchMatches(index, archive, { requestsMax: 4, indexWaitMs: 100 }),
      {
        get CALLOSUM_QIDO_LIMIT_MAX() {
          return limitMax;
        },
      } as DicomwebSettings,
      {
        get CALLOSUM_PUBLIC_URL() {
          return publicUrl;
        },
      } as PlatformSettings,
      logger,
      ({ headers }) => headers['x-principal'] as string | undefined,
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

  it('gives bulk data URIs that a client can open, behind a path prefix too, in JSON and in XML', async () => {
    publicUrl = 'https://pacs.example/imaging';
    const path = '/dicom-web/studies/1.2.0/series/1/instances/2/bulkdata';
    const elsewhere = 'https://elsewhere.example/dicom-web/value';
    const dicomJson = JSON.stringify({
      '00081030': { vr: 'LO', Value: ['"BulkDataURI":"/dicom-web/'] },
      '00420011': { vr: 'OB', BulkDataURI: `${path}/00420011` },
      '54000100': { vr: 'SQ', Value: [{ '54001010': { vr: 'OW', BulkDataURI: `${path}/54000100.0.54001010` } }] },
      '7FE00010': { vr: 'OW', BulkDataURI: elsewhere },
    });
    answer = async function* () {
      await Promise.resolve();
      yield { rows: [{ ...rowOf(0), dicomJson }], unsupportedKeys: [] };
    };
    const [found] = (await http.inject('/dicom-web/studies')).json<Record<string, unknown>[]>();
    expect(found).toEqual({
      ...(JSON.parse(dicomJson.replaceAll(`"${path}`, `"${publicUrl}${path}`)) as object),
      '00081190': { vr: 'UR', Value: [`${publicUrl}/dicom-web/studies/1.2.0`] },
    });
    const accept = 'multipart/related; type="application/dicom+xml"';
    const xml = (await http.inject({ url: '/dicom-web/studies', headers: { accept } })).body;
    for (const uri of [`${publicUrl}${path}/00420011`, `${publicUrl}${path}/54000100.0.54001010`, elsewhere])
      expect(xml).toContain(`<BulkData uri="${uri}"`);
  });

  it('warns of parameters that it does not know, and goes on without them', async () => {
    answer = studies(1);
    const { headers, statusCode } = await http.inject('/dicom-web/studies?_=1712&PatientID=1&a%22b%0A=Secret');
    expect(statusCode).toBe(200);
    expect(asked[0]?.matches).toEqual([{ tag: '00100020', value: '1' }]);
    expect(headers['warning']).toBe(
      '299 callosum "no parameter or attribute of PS3.6, and ignored: _, one that has no name to be repeated"',
    );
  });

  it('is answered with a type that is equal to application/dicom+json, as clients compare it', async () => {
    answer = studies(1);
    expect((await http.inject('/dicom-web/studies')).headers['content-type']).toBe('application/dicom+json');
  });

  it('warns of keys that were left out, and of more results', async () => {
    answer = studies(6, ['00080060', '00091001']);
    const { headers, statusCode, json } = await http.inject('/dicom-web/studies?Modality=CT&00091001=x&offset=4');
    expect(statusCode).toBe(200);
    expect(json()).toHaveLength(3);
    expect(headers['warning']).toBe(
      '299 callosum "There are additional results that can be requested; ask with offset=7", ' +
        '299 callosum "not supported at this level, and left out: 00080060, 00091001"',
    );
  });

  it.each([1, 2, 3])('of which exactly as many are found as may be answered, %i, has no more', async (limit) => {
    answer = studies(limit);
    const { headers, json } = await http.inject(`/dicom-web/studies?limit=${limit}`);
    expect(json()).toHaveLength(limit);
    expect(headers).not.toHaveProperty('warning');
    answer = studies(limit + 1);
    expect((await http.inject(`/dicom-web/studies?limit=${limit}`)).headers).toHaveProperty('warning');
  });

  it('whose client has gone is not searched on', async () => {
    let given = 0;
    let ended: (() => void) | undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    answer = async function* (_request, signal) {
      yield { rows: [rowOf(given++)], unsupportedKeys: [] };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      ended?.();
      signal.throwIfAborted();
    };
    const url = await http.listen({ host: '127.0.0.1', port: 0 });
    const client = new AbortController();
    const asking = fetch(`${url}/dicom-web/studies`, { signal: client.signal });
    await expect.poll(() => given).toBe(1);
    client.abort();
    await expect(asking).rejects.toThrow();
    await end;
    expect(given).toBe(1);
  });

  it('without any results wanted finds none', async () => {
    answer = studies(6);
    const { statusCode, headers } = await http.inject('/dicom-web/studies?limit=0');
    expect(statusCode).toBe(204);
    expect(headers['warning']).toContain('ask with offset=0');
  });

  it.each([
    ['application/dicom+xml', 'multipart/related; type="application/dicom+xml"'],
    ['application/json', 'application/dicom+json'],
    ['text/html, application/dicom+json;q=0.1', 'application/dicom+json'],
  ])('that takes %s is answered as %s', async (accept, given) => {
    answer = studies(2);
    const wanted = accept.startsWith('application/dicom+xml') ? `multipart/related; type="${accept}"` : accept;
    const { statusCode, headers } = await http.inject({ url: '/dicom-web/studies', headers: { accept: wanted } });
    expect([statusCode, String(headers['content-type']).split('; boundary')[0]]).toEqual([200, given]);
    expect(headers['vary']).toBe('accept');
  });

  it('in XML has a document of each match, with its Retrieve URL', async () => {
    answer = studies(2);
    const { headers, rawPayload } = await http.inject({
      url: '/dicom-web/studies',
      headers: { accept: 'multipart/related; type="application/dicom+xml"' },
    });
    const parts = multipartParts(String(headers['content-type']), rawPayload);
    expect(parts.map(({ contentType }) => contentType)).toEqual(Array(2).fill('application/dicom+xml'));
    const texts = parts.map(({ bytes }) => Buffer.from(bytes).toString());
    for (const [i, text] of texts.entries()) {
      expect(text).toContain(`<Value number="1">1.2.${i}</Value>`);
      expect(text).toContain(`<Value number="1">http://here/dicom-web/studies/1.2.${i}</Value>`);
    }
  });

  it.each(['text/html', 'application/dicom', 'application/dicom+json;q=0'])('that takes %s is 406', async (accept) => {
    answer = studies(1);
    expect((await http.inject({ url: '/dicom-web/studies', headers: { accept } })).statusCode).toBe(406);
    expect(asked).toEqual([]);
  });

  it('by HEAD looks for one match, and says nothing of a length that it does not know', async () => {
    answer = studies(3);
    const { statusCode, headers, rawPayload } = await http.inject({ method: 'HEAD', url: '/dicom-web/studies' });
    expect([statusCode, rawPayload.length]).toEqual([200, 0]);
    expect(headers['content-type']).toBe('application/dicom+json');
    expect(headers).not.toHaveProperty('content-length');
    expect(asked.map(({ limit }) => limit)).toEqual([2]);
    answer = studies(0);
    expect((await http.inject({ method: 'HEAD', url: '/dicom-web/studies' })).statusCode).toBe(204);
  });

  it('that finds more than is held is sent while it is found, whole and in order', async () => {
    const comment = 'x'.repeat(700_000);
    const long = (i: number): imaging.SearchRow => ({
      ...rowOf(i),
      dicomJson: `{"00104000":{"vr":"LT","Value":["${comment}${i}"]}}`,
    });
    let taken = 0;
    answer = async function* ({ limit, offset }) {
      await Promise.resolve();
      for (; taken < 3 && offset === 0; taken++) yield { rows: [long(taken)], unsupportedKeys: [] };
      if (limit === 1) yield { rows: [rowOf(9)], unsupportedKeys: [] };
    };
    const { headers, json } = await http.inject('/dicom-web/studies');
    expect(headers['warning']).toContain('ask with offset=3');
    expect(json().map((one: Record<string, { Value: string[] }>) => one['00104000']?.Value[0]?.slice(-1))).toEqual([
      '0',
      '1',
      '2',
    ]);
    expect(asked.map(({ offset, limit, includeAll }) => [offset, limit, includeAll])).toEqual([
      [0, 4, false],
      [3, 1, false],
    ]);
  });

  it('whose search breaks in the middle of an answer is cut, so that nobody takes it for whole', async () => {
    answer = async function* ({ limit }) {
      await Promise.resolve();
      if (limit === 1) return;
      yield {
        rows: [{ ...rowOf(0), dicomJson: `{"00104000":{"vr":"LT","Value":["${'x'.repeat(2_000_000)}"]}}` }],
        unsupportedKeys: [],
      };
      throw new Error('gone');
    };
    const url = await http.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/dicom-web/studies`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  it('is looked for no faster than its client takes it, however much is found', async () => {
    limitMax = 2_000;
    const row = { ...rowOf(0), dicomJson: `{"00104000":{"vr":"LT","Value":["${'x'.repeat(100_000)}"]}}` };
    let given = 0;
    answer = async function* ({ limit }) {
      for (; limit > 1 && given < 2_000; given++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield { rows: [row], unsupportedKeys: [] };
      }
    };
    const url = await http.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/dicom-web/studies`);
    let before = -1;
    while (before !== given) {
      before = given;
      await sleep(300);
    }
    // 200 MB are found in all; what sockets and streams hold is some.
    expect(given).toBeLessThan(500);
    let bytes = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length;
    expect(bytes).toBeGreaterThan(200_000_000);
  });

  it('is 503 when as many search as may, until one of them ends', async () => {
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    answer = async function* () {
      await gate;
      yield* [];
    };
    const as = (principal: string) => http.inject({ url: '/dicom-web/studies', headers: { 'x-principal': principal } });
    const waiting = ['one', 'one', 'two', 'two'].map(as);
    await expect.poll(() => asked.length).toBe(4);
    const refused = await as('three');
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5']);
    go();
    expect((await Promise.all(waiting)).map(({ statusCode }) => statusCode)).toEqual([204, 204, 204, 204]);
    expect((await http.inject('/dicom-web/studies')).statusCode).toBe(204);
  });

  it('is 503 when its client has half of all, and says to the index who asks', async () => {
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    answer = async function* () {
      await gate;
      yield* [];
    };
    const first = [http.inject('/dicom-web/studies'), http.inject('/dicom-web/studies')];
    await expect.poll(() => asked.length).toBe(2);
    expect((await http.inject('/dicom-web/studies')).statusCode).toBe(503);
    const other = http.inject({ url: '/dicom-web/studies', headers: { 'x-principal': 'other' } });
    await expect.poll(() => asked.length).toBe(3);
    go();
    expect((await Promise.all([...first, other])).map(({ statusCode }) => statusCode)).toEqual([204, 204, 204]);
    expect(asked.map(({ asker }) => asker)).toEqual(['address:127.0.0.1', 'address:127.0.0.1', 'principal:other']);
    expect((await http.inject('/dicom-web/studies')).statusCode).toBe(204);
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
