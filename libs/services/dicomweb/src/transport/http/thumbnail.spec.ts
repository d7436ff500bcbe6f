import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { documentOf, levelsOf, mp4Stream, objectOf, Pictures, videoOf } from '../../test-support/pictures.js';

const series = '/studies/1.2/series/1.3';
const png = { accept: 'image/png' };

/** A picture of one level. */
const grey = (sop: string, level: number, ofSeries = '1.3', attributes = {}): Uint8Array =>
  objectOf({ sop, series: ofSeries, frames: [[level, level]], attributes });

describe('a thumbnail', () => {
  let pictures: Pictures;
  beforeEach(() => {
    pictures = new Pictures({ CALLOSUM_THUMBNAIL_PIXELS: '16' });
  });
  afterEach(() => pictures.http.close());
  const levels = async (url: string): Promise<number[]> => levelsOf((await pictures.get(url, png)).rawPayload);

  it('is small, or as large as is asked for', async () => {
    pictures.store(objectOf({ sop: '1.4', frames: [Array.from({ length: 640 }, () => 50)] }));
    expect(await levels(`${series}/instances/1.4/thumbnail`)).toEqual(new Array(16).fill(128));
    expect(await levels(`${series}/instances/1.4/thumbnail?viewport=40,40`)).toHaveLength(40);
    expect((await pictures.get(`${series}/instances/1.4/thumbnail`)).headers['content-type']).toBe('image/jpeg');
  });

  it('of a study is of the middle of its largest series that has pictures', async () => {
    pictures.store(
      grey('1.4', 0, '1.30'),
      ...['1.5', '1.6', '1.7'].map((sop) => objectOf({ sop, pixels: false, series: '1.31' })),
      grey('1.8', 0),
      grey('1.9', 100),
    );
    // Three reports, then two images, of which the first is the middle.
    expect((await levels('/studies/1.2/thumbnail'))[0]).toBe(0);
    expect((await levels(`${series}/thumbnail`))[0]).toBe(0);
    pictures.store(grey('1.10', 0));
    expect((await levels(`${series}/thumbnail`))[0]).toBe(255);
    expect((await levels('/studies/1.2/thumbnail'))[0]).toBe(255);
    expect((await pictures.get('/studies/1.2/series/1.31/thumbnail', png)).statusCode).toBe(404);
    expect((await pictures.get('/studies/1.2/series/1.30/thumbnail', png)).statusCode).toBe(200);
  });

  it('of a multi-frame object is its middle frame, or the one that is named', async () => {
    pictures.store(
      objectOf({
        sop: '1.4',
        frames: [
          [0, 0],
          [50, 50],
          [100, 100],
        ],
      }),
    );
    expect((await levels(`${series}/instances/1.4/thumbnail`))[0]).toBe(128);
    expect((await levels(`${series}/instances/1.4/frames/3/thumbnail`))[0]).toBe(255);
    expect((await pictures.get(`${series}/instances/1.4/frames/4/thumbnail`)).statusCode).toBe(404);
    expect((await pictures.get(`${series}/instances/1.4/frames/1,2/thumbnail`)).statusCode).toBe(400);
  });

  it('is not made where a name may stand in the pixels (PS3.18 10.4.3.3.4)', async () => {
    pictures.store(grey('1.4', 0, '1.3', { BurnedInAnnotation: 'YES' }));
    expect((await pictures.get(`${series}/instances/1.4/thumbnail`)).statusCode).toBe(404);
    expect((await pictures.get(`${series}/thumbnail`)).statusCode).toBe(404);
    // Whoever asks for the image itself gets it.
    expect((await pictures.get(`${series}/instances/1.4/rendered`)).statusCode).toBe(200);
    pictures.store(grey('1.5', 100, '1.3', { BurnedInAnnotation: 'NO' }));
    expect((await levels(`${series}/thumbnail`))[0]).toBe(255);
  });

  it.each([
    ['a report', objectOf({ sop: '1.4', pixels: false })],
    ['a PDF', documentOf('1.4', Buffer.from('%PDF-1.7'))],
    ['a video', videoOf('1.4', mp4Stream)],
    ['a video that is no MP4', videoOf('1.4', Buffer.alloc(100, 7))],
    ['an image that cannot be', grey('1.4', 0, '1.3', { BitsStored: 17 })],
  ])('is refused of %s, which is there and has no picture; a series then has none', async (_, object) => {
    pictures.store(object);
    for (const url of [`${series}/instances/1.4/thumbnail`, `${series}/instances/1.4/frames/1/thumbnail`])
      expect((await pictures.get(url, png)).statusCode).toBe(406);
    for (const url of ['/studies/1.2/thumbnail', `${series}/thumbnail`, `${series}/instances/1.5/thumbnail`])
      expect((await pictures.get(url, png)).statusCode).toBe(404);
  });

  it.each([
    ['viewport=0,1', png, 400],
    ['', { accept: 'image/gif' }, 406],
    ['', { accept: 'multipart/related; type="image/png"' }, 406],
    ['quality=nonsense', png, 200],
  ])('answers ?%s with its status', async (query, headers, status) => {
    pictures.store(grey('1.4', 0));
    expect((await pictures.get(`${series}/instances/1.4/thumbnail?${query}`, headers)).statusCode).toBe(status);
  });

  it('is not made again for who has it, until the series has others', async () => {
    pictures.store(grey('1.4', 0));
    const { etag } = (await pictures.get(`${series}/thumbnail`, png)).headers;
    const known = { ...png, 'if-none-match': etag as string };
    expect((await pictures.get(`${series}/thumbnail`, known)).statusCode).toBe(304);
    expect((await pictures.get(`${series}/thumbnail?viewport=8,8`, known)).statusCode).toBe(200);
    pictures.store(grey('1.5', 0));
    expect((await pictures.get(`${series}/thumbnail`, known)).statusCode).toBe(200);
  });
});
