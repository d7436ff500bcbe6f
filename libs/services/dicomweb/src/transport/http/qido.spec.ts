import { imaging } from '@callosum/contracts';
import { multipartParts } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import { TooLargeError } from '../../domain/errors/door.js';
import { rowOf, studies, useQidoDoor } from '../../test-support/qido-door.js';

describe('a QIDO-RS request', () => {
  const door = useQidoDoor();

  it('passes on paths into sequences, and says where to retrieve what was found', async () => {
    door.answer = studies(1);
    const response = await door.http.inject(
      '/dicom-web/studies?ReferencedStudySequence.ReferencedSOPInstanceUID=1.2.3',
    );
    expect(door.asked[0]?.matches).toEqual([{ tag: '00081110.00081155', value: '1.2.3' }]);
    expect(door.asked[0]).toMatchObject({
      onlyRequested: false,
      returnedLevels: [imaging.QueryLevel.QUERY_LEVEL_STUDY],
    });
    expect(response.json()).toEqual([
      {
        '0020000D': { vr: 'UI', Value: ['1.2.0'] },
        '00081190': { vr: 'UR', Value: ['http://here/dicom-web/studies/1.2.0'] },
      },
    ]);
    expect(response.headers).not.toHaveProperty('warning');
  });

  it('gives bulk data URIs that a client can open, behind a path prefix too, in JSON and in XML', async () => {
    door.publicUrl = 'https://pacs.example/imaging';
    const path = '/dicom-web/studies/1.2.0/series/1/instances/2/bulkdata';
    const elsewhere = 'https://elsewhere.example/dicom-web/value';
    const dicomJson = JSON.stringify({
      '00081030': { vr: 'LO', Value: ['"BulkDataURI":"/dicom-web/'] },
      '00420011': { vr: 'OB', BulkDataURI: `${path}/00420011` },
      '54000100': { vr: 'SQ', Value: [{ '54001010': { vr: 'OW', BulkDataURI: `${path}/54000100.0.54001010` } }] },
      '7FE00010': { vr: 'OW', BulkDataURI: elsewhere },
    });
    door.answer = async function* () {
      await Promise.resolve();
      yield { rows: [{ ...rowOf(0), dicomJson }], unsupportedKeys: [] };
    };
    const [found] = (await door.http.inject('/dicom-web/studies')).json<Record<string, unknown>[]>();
    expect(found).toEqual({
      ...(JSON.parse(dicomJson.replaceAll(`"${path}`, `"${door.publicUrl}${path}`)) as object),
      '00081190': { vr: 'UR', Value: [`${door.publicUrl}/dicom-web/studies/1.2.0`] },
    });
    const accept = 'multipart/related; type="application/dicom+xml"';
    const xml = (await door.http.inject({ url: '/dicom-web/studies', headers: { accept } })).body;
    for (const uri of [`${door.publicUrl}${path}/00420011`, `${door.publicUrl}${path}/54000100.0.54001010`, elsewhere])
      expect(xml).toContain(`<BulkData uri="${uri}"`);
  });

  it('warns of parameters that it does not know, and goes on without them', async () => {
    door.answer = studies(1);
    const { headers, statusCode } = await door.http.inject('/dicom-web/studies?_=1712&PatientID=1&a%22b%0A=Secret');
    expect(statusCode).toBe(200);
    expect(door.asked[0]?.matches).toEqual([{ tag: '00100020', value: '1' }]);
    expect(headers['warning']).toBe(
      '299 callosum "no parameter or attribute of PS3.6, and ignored: _, one that has no name to be repeated"',
    );
  });

  it('is answered with a type that is equal to application/dicom+json, as clients compare it', async () => {
    door.answer = studies(1);
    expect((await door.http.inject('/dicom-web/studies')).headers['content-type']).toBe('application/dicom+json');
  });

  it('warns of keys that were left out, and of more results', async () => {
    door.answer = studies(6, ['00080060', '00091001']);
    const { headers, statusCode, json } = await door.http.inject('/dicom-web/studies?Modality=CT&00091001=x&offset=4');
    expect(statusCode).toBe(200);
    expect(json()).toHaveLength(3);
    expect(headers['warning']).toBe(
      '299 callosum "There are additional results that can be requested; ask with offset=7", ' +
        '299 callosum "not supported at this level, and left out: 00080060, 00091001"',
    );
  });

  it.each([1, 2, 3])('of which exactly as many are found as may be answered, %i, has no more', async (limit) => {
    door.answer = studies(limit);
    const { headers, json } = await door.http.inject(`/dicom-web/studies?limit=${limit}`);
    expect(json()).toHaveLength(limit);
    expect(headers).not.toHaveProperty('warning');
    door.answer = studies(limit + 1);
    expect((await door.http.inject(`/dicom-web/studies?limit=${limit}`)).headers).toHaveProperty('warning');
  });

  it('without any results wanted finds none, and warns of none that were left out', async () => {
    door.answer = studies(6);
    const { statusCode, headers } = await door.http.inject('/dicom-web/studies?limit=0');
    expect(statusCode).toBe(204);
    expect(headers).not.toHaveProperty('warning');
  });

  it.each([
    ['application/dicom+xml', 'multipart/related; type="application/dicom+xml"'],
    ['application/json', 'application/dicom+json'],
    ['text/html, application/dicom+json;q=0.1', 'application/dicom+json'],
  ])('that takes %s is answered as %s', async (accept, given) => {
    door.answer = studies(2);
    const wanted = accept.startsWith('application/dicom+xml') ? `multipart/related; type="${accept}"` : accept;
    const { statusCode, headers } = await door.http.inject({ url: '/dicom-web/studies', headers: { accept: wanted } });
    expect([statusCode, String(headers['content-type']).split('; boundary')[0]]).toEqual([200, given]);
    expect(headers['vary']).toBe('accept');
  });

  it('in XML has a document of each match, with its Retrieve URL', async () => {
    door.answer = studies(2);
    const { headers, rawPayload } = await door.http.inject({
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
    door.answer = studies(1);
    expect((await door.http.inject({ url: '/dicom-web/studies', headers: { accept } })).statusCode).toBe(406);
    expect(door.asked).toEqual([]);
  });

  it('by HEAD looks for what GET does, and says nothing of a length that it does not know', async () => {
    door.answer = studies(3);
    const { statusCode, headers, rawPayload } = await door.http.inject({ method: 'HEAD', url: '/dicom-web/studies' });
    expect([statusCode, rawPayload.length]).toEqual([200, 0]);
    expect(headers['content-type']).toBe('application/dicom+json');
    expect(headers).not.toHaveProperty('content-length');
    expect(door.asked.map(({ limit }) => limit)).toEqual([4]);
    door.answer = studies(0);
    expect((await door.http.inject({ method: 'HEAD', url: '/dicom-web/studies' })).statusCode).toBe(204);
  });

  it('is 204 when nothing is found, and 413 when it is too broad', async () => {
    door.answer = studies(0);
    expect((await door.http.inject('/dicom-web/studies')).statusCode).toBe(204);
    door.answer = async function* () {
      await Promise.resolve();
      yield* [];
      throw new TooLargeError('study-index.search-too-broad: the search takes too long');
    };
    const tooBroad = await door.http.inject('/dicom-web/studies?OperatorsName=x');
    expect([tooBroad.statusCode, tooBroad.body]).toEqual([413, expect.stringContaining('takes too long')]);
  });
});
