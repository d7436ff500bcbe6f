import { multipartParts } from '@callosum/testing';
import { afterEach, describe, expect, it } from 'vitest';

import type { Resource } from '../../conformance/resource.js';
import { renderingResources } from '../../conformance/resources-rendering.js';
import { parseMediaTypes } from '../../domain/media-type.js';
import { documentOf, mp4Stream, objectOf, Pictures, videoOf } from '../../test-support/pictures.js';

type Got = Awaited<ReturnType<Pictures['get']>>;
type Headers = Readonly<Record<string, string>>;

const uids = { study: '1.2', series: '1.3', instance: '1.4' };
/** The resource of this object: by its path, or by the query that WADO-URI has in its place. */
function urlOf({ template, section }: Resource, named: Partial<typeof uids> = {}, query = ''): string {
  const { study, series, instance } = { ...uids, ...named };
  const path = template.slice('/dicom-web'.length);
  if (section.startsWith('9')) {
    const object = `requestType=WADO&studyUID=${study}&seriesUID=${series}&objectUID=${instance}`;
    return `${path}?${object}&${query}`;
  }
  const values: Readonly<Record<string, string>> = { study, series, instance, frames: '1' };
  return `${path.replace(/:(\w+)/g, (whole, name: string) => values[name] ?? whole)}?${query}`;
}

/** A viewport that nobody's memory is enough for, as each resource says it. */
const hugeOf = ({ section }: Resource): string =>
  section.startsWith('9') ? 'rows=16384&columns=16384' : 'viewport=16384,16384';

describe('a request for pictures', () => {
  let pictures: Pictures;
  afterEach(() => pictures.http.close());
  const serve = (bytes: Uint8Array = objectOf({ sop: '1.4' })): Pictures => {
    pictures = new Pictures();
    pictures.store(bytes);
    return pictures;
  };
  const pdf = Buffer.from('%PDF-1.7');
  const ofPdf = (): Uint8Array => documentOf('1.4', pdf, { EncapsulatedDocumentLength: pdf.length });
  const get = (row: Resource, headers: Headers = {}, named: Partial<typeof uids> = {}, query = ''): Promise<Got> =>
    pictures.get(urlOf(row, named, query), { ...headers });

  /** For each resource: what a client does to be answered so. */
  const ways: Readonly<Record<number, (row: Resource) => Promise<Got>>> = {
    200: (row) => (serve(), get(row)),
    206: (row) => (serve(ofPdf()), get(row, { range: 'bytes=0-3' })),
    304: async (row) => {
      serve();
      return get(row, { 'if-none-match': String((await get(row)).headers.etag) });
    },
    400: (row) => (serve(), get(row, {}, { study: 'not-a-uid' })),
    404: (row) => (serve(), get(row, {}, { study: '1.99' })),
    406: (row) => (serve(), get(row, { accept: 'text/html' })),
    412: (row) => (serve(), get(row, { 'if-match': '"another"' })),
    413: (row) => (serve(objectOf({ sop: '1.4', frames: [[1]] })), get(row, {}, {}, hugeOf(row))),
    416: (row) => (serve(ofPdf()), get(row, { range: 'bytes=100-' })),
    503: async (row) => {
      serve();
      const giveBack = await pictures.budget.take(pictures.budget.bytesMax);
      const refused = await get(row);
      giveBack();
      return refused;
    },
  };

  const rows = renderingResources.flatMap((row) => row.statuses.map((status) => [status, row.template, row] as const));
  it.each(rows)('is answered %i where that is so (%s)', async (status, _, row) => {
    const way = ways[status] ?? expect.unreachable(`nobody has said how a request comes to be answered ${status}`);
    const { statusCode, headers, rawPayload } = await way(row);
    expect(statusCode, rawPayload.toString('latin1', 0, 200)).toBe(status);
    if (status >= 400 && status !== 412 && status !== 416) {
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(headers.etag).toBeUndefined();
    }
    if (status === 503) expect(headers['retry-after']).toBe('5');
    if (status === 304 || status === 412) expect(rawPayload).toHaveLength(0);
  });

  const files: Readonly<Record<string, Uint8Array>> = {
    'application/pdf': ofPdf(),
    'video/mp4': videoOf('1.4', mp4Stream),
  };
  const forms = renderingResources.flatMap((row) => row.gives.map((form) => [form, row.template, row] as const));
  it.each(forms)('is answered with %s (%s)', async (form, _, row) => {
    serve(files[form] ?? objectOf({ sop: '1.4' }));
    const { statusCode, headers, rawPayload } = await get(row, { accept: form });
    expect(statusCode).toBe(200);
    const [asked] = parseMediaTypes(form);
    const [given] = parseMediaTypes(String(headers['content-type']));
    expect([given?.type, given?.parameters.get('type')]).toEqual([asked?.type, asked?.parameters.get('type')]);
    if (given?.type !== 'multipart/related') return;
    const [part] = multipartParts(String(headers['content-type']), rawPayload);
    expect(part?.contentType).toBe(asked?.parameters.get('type'));
  });

  it.each(renderingResources.map((row) => [row.template, row] as const))(
    'is refused where its query is no percent-encoded UTF-8 (%s)',
    async (_, row) => {
      serve();
      const { statusCode, rawPayload } = await get(row, {}, {}, 'windowlevel=%FF');
      expect(statusCode).toBe(400);
      expect(rawPayload.toString()).toBe('the query is not percent-encoded UTF-8\n');
    },
  );

  it('is found in all of the ways by what it is called', () => {
    expect(rows.length).toBeGreaterThan(80);
    expect(new Set(rows.map(([status]) => status))).toEqual(new Set(Object.keys(ways).map(Number)));
  });
});
