import { ExplicitVRLittleEndian, parseFile, RLELossless } from '@callosum/dicom';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { inSyntax } from '../../test-support/kept.js';
import {
  documentOf,
  levelsOf,
  mp4Stream,
  multiFrame,
  objectOf,
  Pictures,
  videoOf,
} from '../../test-support/pictures.js';

const uri = (sop: string, more = ''): string => `?requestType=WADO&studyUID=1.2&seriesUID=1.3&objectUID=${sop}${more}`;
const png = '&contentType=image%2Fpng';

describe('WADO-URI', () => {
  let pictures: Pictures;
  const image = objectOf({ sop: '1.4' });
  beforeEach(() => {
    pictures = new Pictures();
    pictures.store(
      image,
      multiFrame('1.5'),
      objectOf({ sop: '1.6', pixels: false }),
      documentOf('1.7', Buffer.from('%PDF-1.7')),
      videoOf('1.10', mp4Stream),
    );
  });
  afterEach(() => pictures.http.close());

  it.each(['', '/wado'])('at /dicom-web%s gives a JPEG, or what is asked for', async (at) => {
    const jpeg = await pictures.get(at + uri('1.4'));
    expect([jpeg.statusCode, jpeg.headers['content-type']]).toEqual([200, 'image/jpeg']);
    expect(levelsOf((await pictures.get(at + uri('1.4', png))).rawPayload)).toEqual([0, 128, 255]);
    expect((await pictures.get(at + uri('1.4'), { accept: 'image/webp' })).headers['content-type']).toBe('image/webp');
    // The parameter is in place of the header, which browsers send unasked.
    const both = await pictures.get(at + uri('1.4', png), { accept: 'text/html, image/webp' });
    expect(both.headers['content-type']).toBe('image/png');
  });

  it('has the window, size, region and frame of its parameters', async () => {
    const levels = async (more: string, sop = '1.4'): Promise<number[]> =>
      levelsOf((await pictures.get(uri(sop, png + more))).rawPayload);
    expect(await levels('&windowCenter=0&windowWidth=1')).toEqual([255, 255, 255]);
    expect(await levels('&columns=6')).toHaveLength(6);
    expect(await levels('&region=0,0,0.34,1')).toEqual([expect.any(Number)]);
    expect(await levels('&frameNumber=3', '1.5')).toEqual([255, 128, 0]);
    expect(await levels('', '1.5')).toEqual([0, 128, 255]);
  });

  it('gives the object', async () => {
    const answer = await pictures.get(uri('1.4', '&contentType=application/dicom'));
    expect(answer.headers['content-type']).toBe(`application/dicom; transfer-syntax=${ExplicitVRLittleEndian}`);
    expect(answer.rawPayload).toEqual(Buffer.from(image));
    const deflated = await pictures.get(
      uri('1.4', '&contentType=application%2Fdicom&transferSyntax=1.2.840.10008.1.2.1.99'),
    );
    expect(deflated.statusCode).toBe(200);
    expect(parseFile(deflated.rawPayload).transferSyntax.uid).toBe('1.2.840.10008.1.2.1.99');
  });

  it('gives the object as it is stored to who says so by *, as clients do', async () => {
    const stored = await inSyntax(objectOf({ sop: '1.8' }), RLELossless);
    pictures.store(stored);
    const answer = await pictures.get(uri('1.8', '&contentType=application/dicom&transferSyntax=*'));
    expect(answer.headers['content-type']).toBe(`application/dicom; transfer-syntax=${RLELossless}`);
    expect(answer.rawPayload).toEqual(Buffer.from(stored));
    const decoded = await pictures.get(uri('1.8', '&contentType=application/dicom'));
    expect(parseFile(decoded.rawPayload).transferSyntax.uid).toBe(ExplicitVRLittleEndian);
  });

  it.each([
    ['the object', uri('1.4', '&contentType=application/dicom')],
    ['a document', uri('1.7')],
    ['the object of what has nothing else', uri('1.6')],
  ])('gives %s by byte ranges, under conditions too', async (_, url) => {
    const whole = await pictures.get(url);
    expect([whole.statusCode, whole.headers['accept-ranges']]).toEqual([200, 'bytes']);
    const etag = String(whole.headers.etag);
    expect(etag).toMatch(/^"/);
    const part = await pictures.get(url, { range: 'bytes=1-3', 'if-range': etag });
    expect([part.statusCode, part.rawPayload]).toEqual([206, whole.rawPayload.subarray(1, 4)]);
    expect((await pictures.get(url, { 'if-match': etag })).statusCode).toBe(200);
    expect((await pictures.get(url, { 'if-match': '"another"' })).statusCode).toBe(412);
    expect((await pictures.get(url, { 'if-none-match': etag })).statusCode).toBe(304);
  });

  it('gives no ranges of what is made anew each time', async () => {
    const deflated = uri('1.4', '&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.1.99');
    for (const url of [deflated, uri('1.4', png)]) {
      const answer = await pictures.get(url, { range: 'bytes=1-3' });
      expect([answer.statusCode, answer.headers['accept-ranges']]).toEqual([200, undefined]);
      expect(answer.headers.etag).toMatch(/^W\//);
    }
  });

  it('takes none of the turns of pictures for the object', async () => {
    const busy = new Pictures({}, { requestsMax: 2 });
    busy.store(image);
    const held = busy.retrieves.begin('pictures');
    expect((await busy.get(uri('1.4', png))).statusCode).toBe(503);
    expect((await busy.get(uri('1.4', '&contentType=application/dicom'))).statusCode).toBe(200);
    for (const what of ['rendered', 'thumbnail']) {
      const answer = await busy.get(`/studies/1.2/series/1.3/instances/1.4/${what}`);
      expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
    }
    held.end();
    expect((await busy.get(uri('1.4', png))).statusCode).toBe(200);
    await busy.http.close();
  });

  it('gives who takes everything what there is: a document, or the object', async () => {
    expect((await pictures.get(uri('1.7'))).headers['content-type']).toBe('application/pdf');
    expect((await pictures.get(uri('1.6'))).headers['content-type']).toMatch(/^application\/dicom;/);
  });

  it.each([
    ['nothing', '', 400],
    ['another type of request', uri('1.4').replace('WADO', 'WADA'), 400],
    ['a path for a UID', uri('..%2F..%2Fetc'), 400],
    ['an instance that is not there', uri('1.9'), 404],
    ['a frame of what has no frames', uri('1.4', '&frameNumber=1'), 400],
    ['a frame past the last', uri('1.5', '&frameNumber=4'), 400],
    ['a frame of a document', uri('1.7', '&frameNumber=1'), 400],
    ['a size of a document by its type', uri('1.7', '&contentType=application/pdf&rows=10'), 400],
    ['a part of a video', uri('1.10', '&contentType=video/mp4&region=0,0,1,0.5'), 400],
    ['a frame of a video', uri('1.10', '&frameNumber=1'), 400],
    ['frame 0', uri('1.5', '&frameNumber=0'), 400],
    ['an object with a window', uri('1.4', '&contentType=application/dicom&windowCenter=1&windowWidth=1'), 400],
    ['an object without names', uri('1.4', '&anonymize=yes&contentType=application/dicom'), 400],
    ['a presentation state', uri('1.4', '&presentationUID=1.2&presentationSeriesUID=1.3'), 400],
    ['annotations', uri('1.4', '&annotation=patient'), 400],
    ['a form that is not given', uri('1.4', '&contentType=image/gif'), 406],
    ['a picture of what has none', uri('1.6', png), 406],
    ['a document of what has none', uri('1.4', '&contentType=application/pdf'), 406],
    [
      'a syntax that nothing leaves in',
      uri('1.4', '&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2'),
      406,
    ],
  ])('answers %s with its status', async (_, url, status) => {
    const answer = await pictures.get(url);
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([status, 'text/plain; charset=utf-8']);
  });

  it('tells who has the answer that it is the same', async () => {
    for (const url of [uri('1.4', png), uri('1.4', '&contentType=application/dicom'), uri('1.7')]) {
      const { etag } = (await pictures.get(url)).headers;
      pictures.reads = 0;
      const again = await pictures.get(url, { 'if-none-match': etag as string });
      // A document is found again in its header, whatever was asked for.
      expect([again.statusCode, pictures.reads]).toEqual([304, url.includes('1.7') ? expect.any(Number) : 0]);
    }
  });
});
