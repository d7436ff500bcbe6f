import { multipartParts } from '@callosum/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  documentOf,
  levelsOf,
  mp4Stream,
  multiFrame,
  objectOf,
  Pictures,
  videoOf,
} from '../../test-support/pictures.js';

const series = '/studies/1.2/series/1.3';
const png = { accept: 'image/png' };
const inMultipart = { accept: 'multipart/related; type="image/png"' };

describe('rendered resources', () => {
  let pictures: Pictures;
  const get = (url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    pictures.get(url, headers, method);
  const instance = (sop: string): string => `${series}/instances/${sop}/rendered`;
  const frames = (sop: string, list: string): string => `${series}/instances/${sop}/frames/${list}/rendered`;

  beforeEach(() => {
    pictures = new Pictures({ CALLOSUM_RENDERED_PARTS_MAX: '4' });
    pictures.store(objectOf({ sop: '1.4' }), multiFrame('1.5'), objectOf({ sop: '1.6', pixels: false }));
  });
  afterEach(async () => {
    // Whatever happened: all memory has been given back.
    const all = await pictures.budget.take(pictures.budget.bytesMax, AbortSignal.timeout(2_000));
    all();
    await pictures.http.close();
  });

  it('are pictures by the window of the object, JPEG where nothing is said', async () => {
    const answer = await get(instance('1.4'), png);
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'image/png']);
    expect(levelsOf(answer.rawPayload)).toEqual([0, 128, 255]);
    expect(answer.headers['content-length']).toBe(String(answer.rawPayload.length));
    expect(answer.headers.vary).toBe('accept');
    const jpeg = await get(instance('1.4'));
    expect(jpeg.headers['content-type']).toBe('image/jpeg');
    expect(jpeg.rawPayload.subarray(0, 4).toString('hex')).toBe('ffd8ffe0');
    const webp = await get(`${instance('1.4')}?accept=image/webp`);
    expect(webp.headers['content-type']).toBe('image/webp');
    expect(webp.rawPayload.toString('latin1', 8, 12)).toBe('WEBP');
  });

  it('have the window and the size that are asked for', async () => {
    const window = await get(`${instance('1.4')}?window=0,1,linear`, png);
    expect(levelsOf(window.rawPayload)).toEqual([255, 255, 255]);
    const wide = await get(`${instance('1.4')}?viewport=6,100`, png);
    expect(levelsOf(wide.rawPayload)).toHaveLength(6);
    const turned = await get(`${instance('1.4')}?viewport=3,1,0,0,-3,1`, png);
    expect(levelsOf(turned.rawPayload)).toEqual([255, 128, 0]);
    const [good, bad] = [await get(`${instance('1.4')}?quality=100`), await get(`${instance('1.4')}?quality=1`)];
    expect(good.rawPayload.equals(bad.rawPayload)).toBe(false);
  });

  it('of a multi-frame object are all its frames, or the one in the middle', async () => {
    const all = await get(instance('1.5'), inMultipart);
    const parts = multipartParts(all.headers['content-type'] as string, all.rawPayload);
    expect(parts.map(({ bytes }) => levelsOf(bytes))).toEqual([
      [0, 31, 51],
      [0, 128, 255],
      [255, 128, 0],
    ]);
    expect(all.payload).toContain(
      'Content-Location: https://pacs.example/imaging/dicom-web/studies/1.2/series/1.3/instances/1.5/frames/3/rendered',
    );
    expect(levelsOf((await get(instance('1.5'), png)).rawPayload)).toEqual([0, 128, 255]);
    expect((await get(instance('1.5'))).headers['content-type']).toBe('image/jpeg');
  });

  it('of frames are those asked for, in that order', async () => {
    expect(levelsOf((await get(frames('1.5', '3'), png)).rawPayload)).toEqual([255, 128, 0]);
    const several = await get(frames('1.5', '3,1'), inMultipart);
    const parts = multipartParts(several.headers['content-type'] as string, several.rawPayload);
    expect(parts.map(({ bytes }) => levelsOf(bytes)[0])).toEqual([255, 0]);
  });

  it.each(['/studies/1.2/rendered', `${series}/rendered`])('of %s are one an object that has one', async (url) => {
    const answer = await get(url, inMultipart);
    const parts = multipartParts(answer.headers['content-type'] as string, answer.rawPayload);
    expect(parts.map(({ bytes }) => levelsOf(bytes))).toEqual([
      [0, 128, 255],
      [0, 128, 255],
    ]);
  });

  it.each([
    ['quality=0', 400],
    ['quality=x', 400],
    ['viewport=0,0', 400],
    ['viewport=3,1,5,0', 400],
    ['window=1,2,3', 400],
    ['annotation=patient', 400],
    ['iccprofile=srgb', 400],
    ['viewport=16384,16384', 413],
    ['unknown=1', 200],
  ])('answer %s with %s', async (query, status) => {
    const answer = await get(`${instance('1.4')}?${query}`, png);
    expect(answer.statusCode).toBe(status);
    if (status !== 200) expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers.etag === undefined).toBe(status !== 200);
  });

  it.each([
    ['an instance that is not there', instance('1.9'), png, 404],
    ['a study that is not there', '/studies/1.9/rendered', inMultipart, 404],
    ['a frame that is not there', frames('1.5', '4'), png, 404],
    ['a frame that is not there among others', frames('1.5', '1,4'), inMultipart, 404],
    ['no frame number', frames('1.5', '0'), png, 400],
    ['a word for a frame number', frames('1.5', 'instance'), png, 400],
    ['no UID', instance('..%2F1'), png, 400],
    ['several frames without multipart', frames('1.5', '1,2'), png, 406],
    ['a series without multipart', `${series}/rendered`, png, 406],
    ['a form that is not given', instance('1.4'), { accept: 'image/gif' }, 406],
    ['a form that pages run', instance('1.4'), { accept: 'image/svg+xml, text/html' }, 406],
    ['an object without pixels', instance('1.6'), png, 406],
    ['an object without pixels by frame', frames('1.6', '1'), png, 406],
    ['a precondition that fails', instance('1.4'), { ...png, 'if-match': '"x"' }, 412],
  ])('answer %s with its status', async (_, url, headers, status) => {
    expect((await get(url, headers)).statusCode).toBe(status);
  });

  it('are not made again for who has them', async () => {
    const { etag } = (await get(instance('1.4'), png)).headers;
    pictures.framesRead = pictures.reads = 0;
    const again = await get(instance('1.4'), { ...png, 'if-none-match': etag as string });
    expect([again.statusCode, again.rawPayload.length, pictures.reads, pictures.framesRead]).toEqual([304, 0, 0, 0]);
    for (const other of [`${instance('1.4')}?quality=3`, instance('1.5'), frames('1.4', '1')]) {
      const answer = await get(other, { ...png, 'if-none-match': etag as string });
      expect(answer.statusCode).toBe(200);
    }
  });

  it('are not made for who means another one', async () => {
    expect((await get(instance('1.4'), { ...png, 'if-match': '"another"' })).statusCode).toBe(412);
    expect(pictures.framesRead).toBe(0);
    expect((await get(instance('1.4'), { ...png, 'if-match': '*' })).statusCode).toBe(200);
  });

  it('are not made for HEAD', async () => {
    for (const url of [instance('1.4'), instance('1.5'), `${series}/rendered`]) {
      const answer = await get(url, inMultipart, 'HEAD');
      expect([answer.statusCode, answer.rawPayload.length]).toEqual([200, 0]);
    }
    expect(pictures.framesRead).toBe(0);
  });

  it('are no more in one answer than the setting says', async () => {
    pictures.store(objectOf({ sop: '1.7', series: '1.30', frames: [[1], [2], [3], [4], [5]] }));
    expect((await get('/studies/1.2/series/1.30/instances/1.7/rendered', inMultipart)).statusCode).toBe(413);
    expect((await get('/studies/1.2/series/1.30/instances/1.7/rendered', png)).statusCode).toBe(200);
    pictures.store(objectOf({ sop: '1.8' }), objectOf({ sop: '1.80' }));
    expect((await get(`${series}/rendered`, inMultipart)).statusCode).toBe(413);
  });

  it('of what cannot be decoded are none, beside others that can', async () => {
    const broken = objectOf({ sop: '1.10', series: '1.40', attributes: { PhotometricInterpretation: 'HSV' } });
    pictures.store(broken);
    const url = '/studies/1.2/series/1.40';
    expect((await get(`${url}/instances/1.10/rendered`, png)).statusCode).toBe(406);
    expect((await get(`${url}/rendered`, inMultipart)).statusCode).toBe(406);
    pictures.store(objectOf({ sop: '1.11', series: '1.40' }));
    const both = await get(`${url}/rendered`, inMultipart);
    expect(multipartParts(both.headers['content-type'] as string, both.rawPayload)).toHaveLength(1);
  });
});

describe('a PDF in an object', () => {
  const pdf = Buffer.from('%PDF-1.7 and what follows');
  const takesPdf = { accept: 'application/pdf' };
  let pictures: Pictures;
  beforeEach(() => {
    pictures = new Pictures();
  });
  afterEach(() => pictures.http.close());
  const get = (headers: Record<string, string>, what = 'rendered') =>
    pictures.get(`${series}/instances/1.4/${what}`, headers);

  it('is given as it is, without its padding', async () => {
    pictures.store(
      documentOf('1.4', Buffer.concat([pdf, Buffer.alloc(1)]), { EncapsulatedDocumentLength: pdf.length }),
    );
    for (const headers of [takesPdf, { accept: '*/*' }]) {
      const answer = await get(headers);
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/pdf']);
      expect(answer.rawPayload).toEqual(pdf);
    }
    const part = await get({ ...takesPdf, range: 'bytes=1-3' });
    expect([part.statusCode, part.payload, part.headers['content-range']]).toEqual([
      206,
      'PDF',
      `bytes 1-3/${pdf.length}`,
    ]);
    const { etag = '' } = part.headers;
    expect((await get({ ...takesPdf, 'if-none-match': String(etag) })).statusCode).toBe(304);
    expect((await get({ ...takesPdf, range: 'bytes=1-3', 'if-range': String(etag) })).statusCode).toBe(206);
    expect((await get({ ...takesPdf, 'if-match': String(etag) })).statusCode).toBe(200);
    expect((await get({ ...takesPdf, 'if-match': '"another"' })).statusCode).toBe(412);
    expect((await get({ accept: 'image/png' })).statusCode).toBe(406);
    expect((await get(takesPdf, 'frames/1/rendered')).statusCode).toBe(406);
    expect((await get({}, 'thumbnail')).statusCode).toBe(406);
  });

  it.each([
    ['a page', Buffer.from('<script>alert(1)</script> ')],
    ['nothing', Buffer.alloc(0)],
  ])('is none when it is %s', async (_, document) => {
    pictures.store(documentOf('1.4', document));
    expect((await get(takesPdf)).statusCode).toBe(406);
  });

  it('is not what says that it is a page', async () => {
    pictures.store(documentOf('1.4', pdf, { MIMETypeOfEncapsulatedDocument: 'text/html' }));
    expect((await get({ accept: '*/*' })).statusCode).toBe(406);
  });
});

describe('video in an object', () => {
  it('is given as it is where it is an MP4, by ranges too', async () => {
    const pictures = new Pictures();
    pictures.store(videoOf('1.4', mp4Stream), videoOf('1.5', Buffer.concat([Buffer.from('474011', 'hex'), mp4Stream])));
    const get = (headers: Record<string, string>, sop = '1.4', what = 'rendered') =>
      pictures.get(`${series}/instances/${sop}/${what}`, headers);
    for (const accept of ['video/mp4', '*/*', 'video/webm, video/*;q=0.9']) {
      const answer = await get({ accept });
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'video/mp4']);
      expect(answer.rawPayload).toEqual(mp4Stream);
    }
    const part = await get({ accept: '*/*', range: 'bytes=4-7' });
    expect([part.statusCode, part.payload]).toEqual([206, 'ftyp']);
    expect((await get({ accept: 'image/jpeg' })).statusCode).toBe(406);
    expect((await get({}, '1.4', 'frames/1/rendered')).statusCode).toBe(406);
    expect((await get({}, '1.4', 'thumbnail')).statusCode).toBe(406);
    // A transport stream, which browsers do not play.
    expect((await get({ accept: '*/*' }, '1.5')).statusCode).toBe(406);
    await pictures.http.close();
  });
});

describe('a frame larger than all memory for pictures', () => {
  it('is refused', async () => {
    const pictures = new Pictures({ CALLOSUM_RENDERED_BYTES_MAX: String(16 * 1024 * 1024) });
    pictures.store(objectOf({ sop: '1.4', frames: [new Array<number>(65_535).fill(1)], attributes: { Rows: 1 } }));
    expect((await pictures.get(`${series}/instances/1.4/rendered?viewport=16384,4000`)).statusCode).toBe(200);
    pictures.store(
      objectOf({
        sop: '1.5',
        frames: [new Array<number>(4_000_000).fill(1)],
        attributes: { Rows: 2000, Columns: 2000 },
      }),
    );
    const answer = await pictures.get(`${series}/instances/1.5/rendered`);
    expect(answer.statusCode).toBe(413);
    expect(pictures.framesRead).toBe(2);
    await pictures.http.close();
  });
});
