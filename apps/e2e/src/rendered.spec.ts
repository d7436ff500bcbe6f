import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { JPEG2000Lossless, parseFile, transcode, writeFile } from '@callosum/dicom';
import { multipartParts } from '@callosum/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { launchChromium } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { codecObjects, type StoredObject } from './harness/codec-objects.js';
import { type DicomJson, stow, textAt } from './harness/dicomweb.js';
import { python, root, testData } from './harness/paths.js';
import { run } from './harness/processes.js';
import { processorSeconds } from './harness/processor-time.js';
import { radiographOf } from './harness/radiograph.js';

const palette = 'us-multiframe-2-rle-palette.dcm';
/** One of each kind that pydicom decodes: grey of every syntax, colour of every space, palettes, many frames. */
const judged = [
  ...['explicit-le', 'implicit-le', 'explicit-be', 'rle', 'jpegls-lossless', 'j2k-lossless'].map(
    (syntax) => `ct-${syntax}.dcm`,
  ),
  ...['deflated', 'rle', 'jpegls-near'].map((syntax) => `mr-${syntax}.dcm`),
  'ct-mf-fragments-bot.dcm',
  'SC_rgb_rle_2frame.dcm',
  'SC_rgb_rle_16bit.dcm',
  'SC_ybr_full_422_uncompressed.dcm',
  'SC_rgb_small_odd_big_endian.dcm',
  'emri_small_RLE.dcm',
  palette,
];

/** A report: an object without pixels, of the study of another one. */
const noteOf = ({ study }: StoredObject): Uint8Array =>
  writeFile(
    {
      '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.88.11'] },
      '00080018': { vr: 'UI', Value: ['2.25.820'] },
      '00080060': { vr: 'CS', Value: ['SR'] },
      '0020000D': { vr: 'UI', Value: [study] },
      '0020000E': { vr: 'UI', Value: ['2.25.821'] },
    },
    { implementationClassUid: '1.2.3' },
  );

describe.skipIf(testData('codecs') === undefined)('pictures of what is stored', () => {
  let system: Callosum;
  let objects: ReadonlyMap<string, StoredObject>;
  const named = (name: string): StoredObject => {
    const object = objects.get(name);
    if (!object) throw new Error(`${name} is not in the test data`);
    return object;
  };
  const get = (path: string, accept = '*/*', init: RequestInit = {}): Promise<Response> =>
    fetch(`${system.httpUrl}/dicom-web/${path}`, { ...init, headers: { accept, ...init.headers } });

  beforeAll(async () => {
    system = await Callosum.start('rendered', { worker: false });
    objects = await codecObjects([`studies/us/${palette}`]);
    const all = [...objects.values()].map(({ bytes }) => bytes);
    const { status } = await stow(system.httpUrl, [...all, noteOf(named('ct-explicit-le.dcm'))]);
    expect(status).toBe(200);
  });
  afterAll(() => system.stop());

  it("are pydicom's and DCMTK's, through dicomweb-client", async () => {
    const files = judged.map((name) => named(name).path);
    const [ct = ''] = files;
    const { code, stdout, stderr } = await run(
      python,
      [join(root, 'apps/e2e/peers/render_equal.py'), `${system.httpUrl}/dicom-web`, ...files, `dcmtk:${ct}`],
      { timeoutMs: 240_000 },
    );
    expect(code, stderr.slice(-2000)).toBe(0);
    const verdict = JSON.parse(stdout) as { readonly pictures: number; readonly differences: readonly string[] };
    expect(verdict.differences).toEqual([]);
    expect(verdict.pictures).toBeGreaterThan(judged.length * 5);
  });

  it('are there for every image of every transfer syntax, and video that browsers play is as it is stored', async () => {
    const refused: string[] = [];
    for (const { name, resource } of objects.values()) {
      const answer = await get(`${resource}/rendered`, 'image/jpeg');
      const body = Buffer.from(await answer.arrayBuffer());
      if (answer.status === 200) expect(body.subarray(0, 2).toString('hex'), name).toBe('ffd8');
      else refused.push(`${name} ${answer.status} ${body.toString()}`);
    }
    expect(objects.size).toBeGreaterThan(50);
    expect(refused.sort()).toEqual([
      'video-h264-hp41.dcm 406 the object is rendered as video/mp4\n',
      expect.stringMatching(/^video-mpeg2-mp-ml\.dcm 406 video is shown where it is an MP4/),
    ]);
    // As <video> asks for it.
    const { resource, bytes } = named('video-h264-hp41.dcm');
    const video = await get(`${resource}/rendered`, 'video/webm,video/*;q=0.9,*/*;q=0.5', {
      headers: { range: 'bytes=0-' },
    });
    expect([video.status, video.headers.get('content-type')]).toEqual([206, 'video/mp4']);
    expect(bytes.includes(Buffer.from(await video.arrayBuffer()))).toBe(true);
  });

  it('of a series are one an image, and the report beside them is passed over', async () => {
    const { study, series } = named('ct-explicit-le.dcm');
    const counts = [];
    for (const path of [`studies/${study}`, `studies/${study}/series/${series}`]) {
      const answer = await get(`${path}/rendered`, 'multipart/related; type="image/png"');
      expect(answer.status).toBe(200);
      const parts = multipartParts(answer.headers.get('content-type') ?? '', Buffer.from(await answer.arrayBuffer()));
      for (const part of parts) expect(part.bytes.subarray(1, 4).toString()).toBe('PNG');
      counts.push(parts.length);
    }
    expect(new Set(counts).size).toBe(1);
    expect(counts[0]).toBeGreaterThan(5);
    expect((await get(`studies/${study}/series/2.25.821/rendered`, 'multipart/related; type="image/png"')).status).toBe(
      406,
    );
    expect((await get(`studies/${study}/thumbnail`)).status).toBe(200);
    expect((await get(`studies/${study}/series/2.25.821/thumbnail`)).status).toBe(404);
  });

  it('are not made twice for who has them', async () => {
    const path = `${named('ct-j2k-lossless.dcm').resource}/rendered`;
    const etag = (await get(path)).headers.get('etag') ?? '';
    expect((await get(path, '*/*', { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await get(path, 'image/png', { headers: { 'if-none-match': etag } })).status).toBe(200);
  });

  it.skipIf(process.platform !== 'linux')('are not made for a request that has gone', async () => {
    const { bytes, resource } = radiographOf(1024, 8300);
    const source = { open: () => Readable.from([bytes], { objectMode: false }) };
    const transcoding = await transcode(source, { to: JPEG2000Lossless });
    const file = await buffer(transcoding.file({ implementationClassUid: '1.2.3' }));
    expect((await stow(system.httpUrl, [file])).status).toBe(200);
    const path = `${resource}/rendered`;
    /** Seconds that processors work while something is done. */
    const work = async (done: () => Promise<unknown>): Promise<number> => {
      const began = processorSeconds(system);
      await done();
      return processorSeconds(system) - began;
    };
    const ofFive = await work(async () => {
      for (let i = 0; i < 5; i++) expect((await get(path)).status).toBe(200);
    });
    const ofForty = await work(async () => {
      const gone = new AbortController();
      const many = Array.from({ length: 40 }, () => get(path, '*/*', { signal: gone.signal }));
      // All wait for the codecs by then, and the first few are made.
      setTimeout(() => gone.abort(), 1_000);
      await Promise.allSettled(many);
      // Whatever is still made of them is made before this one.
      expect((await get(path)).status).toBe(200);
    });
    expect(ofForty).toBeLessThan(2 * ofFive);
  });

  it('over WADO-URI are the same bytes', async () => {
    const { study, series, instance, resource } = named('ct-explicit-le.dcm');
    const query = `requestType=WADO&studyUID=${study}&seriesUID=${series}&objectUID=${instance}`;
    const rendered = await get(`${resource}/rendered?window=40,400,linear`, 'image/png');
    const bytes = Buffer.from(await rendered.arrayBuffer());
    for (const path of [`?${query}`, `wado?${query}`]) {
      const url = `${system.httpUrl}/dicom-web${path.startsWith('?') ? '' : '/'}${path}`;
      const answer = await fetch(`${url}&contentType=image/png&windowCenter=40&windowWidth=400`);
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
      const object = await fetch(`${url}&contentType=application/dicom`);
      expect(parseFile(new Uint8Array(await object.arrayBuffer())).dataset.string('SOPInstanceUID')).toBe(instance);
    }
  });

  describe('in a browser', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchChromium();
    });
    afterAll(() => browser.close());

    it('are shown, in each form', async () => {
      const page = await (await browser.newContext({ bypassCSP: true })).newPage();
      await page.goto(system.httpUrl);
      for (const name of ['ct-explicit-le.dcm', 'SC_rgb_rle_2frame.dcm']) {
        const { bytes, resource } = named(name);
        const { dataset } = parseFile(bytes);
        for (const type of ['image/jpeg', 'image/png', 'image/webp', '']) {
          const url = `${system.httpUrl}/dicom-web/${resource}/rendered${type === '' ? '' : `?accept=${type}`}`;
          const size = await page.evaluate<[number, number]>(`new Promise((resolve, reject) => {
            const image = new Image();
            image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
            image.onerror = () => reject(new Error('not shown'));
            image.src = ${JSON.stringify(url)};
          })`);
          expect(size, `${name} ${type}`).toEqual([dataset.number('Columns'), dataset.number('Rows')]);
        }
      }
    });
  });

  it('of broken objects are made or refused, and nothing comes down', async () => {
    const folder = testData('malformed') ?? '';
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.dcm'));
    const statuses = new Map<number, number>();
    const { dataset } = await stow(
      system.httpUrl,
      files.map((file) => readFileSync(join(folder, file))),
    );
    for (const stored of (dataset['00081199']?.Value ?? []) as DicomJson[]) {
      const url = textAt(stored, '00081190');
      // Kept beside another of its UID.
      if (url === '') continue;
      const resource = url.slice(url.indexOf('/studies/') + 1);
      for (const what of ['rendered', 'thumbnail', 'frames/1/rendered?viewport=64,64', 'frames/2/rendered']) {
        const answer = await get(`${resource}/${what}`, 'image/png');
        const bytes = Buffer.from(await answer.arrayBuffer());
        expect([200, 400, 404, 406, 413], `${resource} ${what}: ${bytes.toString('latin1', 0, 200)}`).toContain(
          answer.status,
        );
        if (answer.status === 200) expect(bytes.toString('latin1', 1, 4), `${resource} ${what}`).toBe('PNG');
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      }
    }
    // Some are taken, and of these some have pictures and some have none.
    expect(Math.min(...[200, 406].map((status) => statuses.get(status) ?? 0))).toBeGreaterThan(3);
    expect((await get(`${named('ct-explicit-le.dcm').resource}/rendered`)).status).toBe(200);
  });

  it('needs no person afterwards: nothing failed on the server', () => {
    expect(system.logs()).not.toMatch(/dicomweb\.failed|dicomweb\.answer-cut/);
  });
});
