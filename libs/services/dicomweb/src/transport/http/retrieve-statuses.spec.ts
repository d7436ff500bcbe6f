import {
  decodeStoredFrame,
  HTJ2KLossless,
  imagePixel,
  JPEG2000Lossless,
  JPEGLossless,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  transferSyntaxOf,
} from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { multipartParts } from '@callosum/testing';
import { afterEach, describe, expect, it } from 'vitest';

import type { KeptInstances } from '../../application/ports/archive.js';
import { retrieveResources } from '../../conformance/resources-retrieve.js';
import { parseMediaTypes } from '../../domain/media-type.js';
import { pdf } from '../../domain/picture-choices.js';
import { Blob, indexOf, locatedFragments } from '../../test-support/kept.js';
import { documentOf } from '../../test-support/pictures.js';
import { type Got, type Served, serveRetrieves } from '../../test-support/serve.js';

const ct = tinyCt();
const uids = { study: ct.studyInstanceUid, series: ct.seriesInstanceUid, instance: ct.sopInstanceUid };
const framesTemplate = '/dicom-web/studies/:study/series/:series/instances/:instance/frames/:frames';
/** The template with this object's UIDs, and a frame or value of it. */
const pathOf = (template: string, named: Readonly<Record<string, string>> = {}): string =>
  template.replace(
    /:(\w+)|\*$/g,
    (whole, name?: string) => ({ ...uids, frames: '1', path: '7FE00010', ...named })[name ?? 'path'] ?? whole,
  );

/** The same for each of the resources: what a client does to be answered so. */
type Ways = Readonly<Record<number, (template: string, single: string) => Promise<Got>>>;

describe('a retrieve', () => {
  let served: Served;
  afterEach(() => served.close());
  const serve = async (kept: KeptInstances = new Blob(ct.bytes), options = {}): Promise<Served> =>
    (served = await serveRetrieves(kept, options));

  const ways: Ways = {
    200: async (template) => (await serve()).ask(pathOf(template)),
    206: async (template, accept) => (await serve()).ask(pathOf(template), { accept, range: 'bytes=0-9' }),
    304: async (template) => {
      const { ask } = await serve();
      return ask(pathOf(template), { 'if-none-match': (await ask(pathOf(template))).headers.etag ?? '' });
    },
    400: async (template) => (await serve()).ask(pathOf(template, { study: 'not-a-uid' })),
    404: async (template) =>
      (await serve({ ...new Blob(ct.bytes), locate: () => Promise.resolve([]), open: none })).ask(pathOf(template)),
    406: async (template) => (await serve()).ask(pathOf(template), { accept: 'text/html' }),
    412: async (template) => (await serve()).ask(pathOf(template), { 'if-match': '"another"' }),
    413: async (template) => {
      const large = new Blob(ct.bytes, '1.2.840.10008.1.2.4.50', { byteCount: 2_000_000 });
      const nowhere = { ...locatedFragments([]), encapsulated: false };
      return (await serve(large, { index: indexOf(nowhere) })).ask(pathOf(template));
    },
    416: async (template, accept) => (await serve()).ask(pathOf(template), { accept, range: 'bytes=99999999-' }),
    503: async (template) => {
      const large = new Blob(Buffer.alloc(64 * 1024 * 1024));
      const { ask, askUnread } = await serve(large, { requestsMax: 1 });
      const unread = await askUnread(pathOf('/dicom-web/studies/:study'), { accept: asStored });
      const refused = await ask(pathOf(template));
      unread.destroy();
      return refused;
    },
  };
  const asStored = 'multipart/related; type="application/dicom"; transfer-syntax=*';
  const none = () => Promise.reject(new Error('nothing is opened'));

  const rows = retrieveResources.flatMap((row) => row.statuses.map((status) => [status, row.template, row] as const));
  it.each(rows)('is answered %i where that is so (%s)', async (status, template, { gives }) => {
    const single = gives.find((form) => !form.startsWith('multipart')) ?? '*/*';
    const way = ways[status] ?? expect.unreachable(`nobody has said how a retrieve comes to be answered ${status}`);
    const { status: answered, headers, body } = await way(template, single);
    expect(answered).toBe(status);
    if (status >= 400 && status !== 412 && status !== 416)
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    if (status === 503) expect(headers['retry-after']).toBe('5');
    if (status === 304 || status === 412) expect(body).toHaveLength(0);
    if (status < 300) expect(headers['content-type']).toBeDefined();
  });

  const forms = retrieveResources.flatMap(({ template, gives }) => gives.map((form) => [form, template] as const));
  it.each(forms)('is given as %s (%s)', async (form, template) => {
    const [asked] = parseMediaTypes(form);
    const type = asked?.parameters.get('type') ?? asked?.type ?? '';
    const { ask } = await serve(...storedAs(type));
    const value = type === pdf ? { path: '00420011' } : {};
    const { status, headers, body } = await ask(pathOf(template, value), { accept: form });
    expect(status).toBe(200);
    const [given] = parseMediaTypes(headers['content-type'] ?? '');
    expect([given?.type, given?.parameters.get('type')]).toEqual([asked?.type, asked?.parameters.get('type')]);
    if (given?.type !== 'multipart/related') return;
    const [part] = multipartParts(headers['content-type'] ?? '', body);
    expect(part?.contentType.split(';')[0]).toBe(type);
  });

  it.each([
    ['image/jpeg', JPEGLossless],
    ['image/dicom-rle', RLELossless],
    ['image/jls', JPEGLSLossless],
    ['image/jp2', JPEG2000Lossless],
    ['image/jphc', HTJ2KLossless],
  ])('makes %s of what is stored otherwise, alone and in multipart', async (type, uid) => {
    const { dataset } = parseFile(ct.bytes);
    const image = imagePixel(dataset);
    for (const accept of [type, `multipart/related; type="${type}"`]) {
      const { status, headers, body } = await (await serve()).ask(pathOf(framesTemplate), { accept });
      expect(status, accept).toBe(200);
      const [part] = accept === type ? [] : multipartParts(headers['content-type'] ?? '', body);
      expect(part?.contentType ?? headers['content-type']).toBe(`${type}; transfer-syntax=${uid}`);
      const bytes = new Uint8Array(part?.bytes ?? body);
      const { samples } = await decodeStoredFrame({ bytes, transferSyntaxUid: uid, image });
      const octets = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
      expect(octets.equals(dataset.bytes('PixelData') ?? Buffer.alloc(0)), accept).toBe(true);
      await served.close();
    }
  });

  it('is found in all of the ways by what it is called', () => {
    expect(rows.length).toBeGreaterThan(60);
    expect(new Set(rows.map(([status]) => status))).toEqual(new Set(Object.keys(ways).map(Number)));
  });
});

/** An object whose frames are of that type as they are stored, and nothing has to be made of them. */
function storedAs(type: string): [Blob, object] {
  if (type === pdf) return [new Blob(documentOf('1.4', Buffer.from('%PDF-1.7'))), {}];
  const uid = syntaxesOfType[type];
  if (uid === undefined) return [new Blob(ct.bytes), {}];
  expect(transferSyntaxOf(uid).encapsulated).toBe(true);
  const located = locatedFragments([[{ offset: 10, length: 90 }]]);
  return [new Blob(Buffer.alloc(200), uid), { index: indexOf(located) }];
}

/** One of each of Table 8.7.3-5. */
const syntaxesOfType: Readonly<Record<string, string>> = {
  'image/jpeg': '1.2.840.10008.1.2.4.50',
  'image/dicom-rle': '1.2.840.10008.1.2.5',
  'image/jls': '1.2.840.10008.1.2.4.80',
  'image/jp2': '1.2.840.10008.1.2.4.90',
  'image/jpx': '1.2.840.10008.1.2.4.92',
  'image/jphc': '1.2.840.10008.1.2.4.201',
  'image/jxl': '1.2.840.10008.1.2.4.110',
  'video/mpeg2': '1.2.840.10008.1.2.4.100',
  'video/mp4': '1.2.840.10008.1.2.4.102',
  'video/h265': '1.2.840.10008.1.2.4.107',
};
