import { ImplicitVRLittleEndian, parseFile, RLELossless } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { KeptInstance } from '../../application/ports/archive.js';
import { Blob, inSyntax } from '../../test-support/kept.js';
import { type Got, type Served, serveRetrieves } from '../../test-support/serve.js';

const ct = tinyCt();
const instance = `/dicom-web/studies/${ct.studyInstanceUid}/series/${ct.seriesInstanceUid}/instances/${ct.sopInstanceUid}`;
const pixels = Buffer.from(parseFile(ct.bytes).dataset.bytes('PixelData') ?? []);
const octets = 'application/octet-stream';
const resources = {
  '': { type: 'application/dicom', bytes: Buffer.from(ct.bytes) },
  '/frames/1': { type: octets, bytes: pixels },
  '/bulkdata/7FE00010': { type: octets, bytes: pixels },
  '/bulkdata/00080018': { type: octets, bytes: Buffer.from(parseFile(ct.bytes).dataset.bytes('SOPInstanceUID') ?? []) },
} as const;
type Path = keyof typeof resources;
const paths = Object.keys(resources) as Path[];

describe('a single part', () => {
  let blob: Blob;
  let stored: KeptInstance[];
  let served: Served;

  beforeEach(async () => {
    blob = new Blob(ct.bytes);
    stored = [blob.instance];
    served = await serveRetrieves({ locate: () => Promise.resolve(stored), open: (...asked) => blob.open(...asked) });
  });
  afterEach(() => served.close());

  const ask = (path: Path, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> =>
    served.ask(`${instance}${path}`, { accept: resources[path].type, ...headers }, method);

  it.each(paths)('says how long it is, and that it can be had in parts (%s)', async (path) => {
    const { bytes } = resources[path];
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await ask(path, {}, method);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-length': String(bytes.length),
        'accept-ranges': 'bytes',
        vary: 'accept',
      });
      expect(headers.etag).toMatch(/^"/);
      expect(headers['cache-control']).toBe('private, no-cache');
      expect(headers['transfer-encoding']).toBeUndefined();
      expect(body).toEqual(method === 'GET' ? bytes : Buffer.alloc(0));
    }
  });

  it.each(paths)('is given in the part that is asked for (%s)', async (path) => {
    const { bytes } = resources[path];
    const size = bytes.length;
    for (const [range, first, last] of [
      ['bytes=0-0', 0, 0],
      ['bytes=5-9', 5, 9],
      ['bytes=-7', size - 7, size - 1],
      [`bytes=3-${String(size + 100)}`, 3, size - 1],
    ] as const) {
      const { status, headers, body } = await ask(path, { range });
      expect([status, headers['content-range']], range).toEqual([206, `bytes ${first}-${last}/${size}`]);
      expect(headers['content-length']).toBe(String(last + 1 - first));
      expect(body, range).toEqual(bytes.subarray(first, last + 1));
    }
  });

  it.each(paths)('has no part behind its end, and is whole for what is no range (%s)', async (path) => {
    const size = resources[path].bytes.length;
    const none = await ask(path, { range: `bytes=${String(size)}-` });
    expect([none.status, none.headers['content-range'], none.body.length]).toEqual([416, `bytes */${size}`, 0]);
    for (const range of ['bytes=9-5', 'items=0-1', 'bytes=0-1,3-4', 'bytes=a-b'])
      expect((await ask(path, { range })).status, range).toBe(200);
    expect((await ask(path, { range: 'bytes=0-1' }, 'HEAD')).status).toBe(200);
  });

  it.each(paths)('is told to who has it before anything is opened, and not to who has another (%s)', async (path) => {
    const etag = (await ask(path)).headers.etag ?? '';
    const before = blob.opened.length;
    const known = await ask(path, { 'if-none-match': `"other", W/${etag}` });
    expect([known.status, known.headers.etag, known.body.length]).toEqual([304, etag, 0]);
    expect(blob.opened.length).toBe(before);
    expect((await ask(path, { 'if-none-match': '*' })).status).toBe(304);
    for (const [header, value, status] of [
      ['if-none-match', etag, 304],
      ['if-none-match', '*', 304],
      ['if-match', '"other"', 412],
    ] as const) {
      const head = await ask(path, { [header]: value }, 'HEAD');
      // A cache would take what it has for changed.
      expect([head.status, head.headers['content-length']]).toEqual([status, undefined]);
      if (value === etag) expect(head.headers.etag).toBe(etag);
    }
    expect((await ask(path, { 'if-none-match': '"other"' })).status).toBe(200);
    expect((await ask(path, { 'if-match': '"other"' })).status).toBe(412);
    expect((await ask(path, { 'if-match': etag })).status).toBe(200);
    const range = 'bytes=0-3';
    expect((await ask(path, { range, 'if-range': etag })).status).toBe(206);
    for (const other of ['"other"', `W/${etag}`, 'Fri, 27 Nov 2026 01:00:00 GMT'])
      expect((await ask(path, { range, 'if-range': other })).status, other).toBe(200);
  });

  it.each(paths)('is another one after a correction, and for who takes another form (%s)', async (path) => {
    const etag = (await ask(path)).headers.etag ?? '';
    stored = [{ ...blob.instance, blobKey: 'corrected' }];
    const corrected = await ask(path, { 'if-none-match': etag });
    expect(corrected.status).toBe(200);
    expect(corrected.headers.etag).not.toBe(etag);
    const { type } = resources[path];
    const multipart = await ask(path, { accept: `multipart/related; type="${type}"`, 'if-none-match': etag });
    expect(multipart.status).toBe(200);
    // Of boundaries that are drawn anew no two answers have the same bytes.
    expect(multipart.headers.etag).toMatch(/^W\//);
    expect([multipart.headers['accept-ranges'], multipart.headers['content-range']]).toEqual([undefined, undefined]);
    expect(multipart.headers['content-length']).toBe(String(multipart.body.length));
    const part = await ask(path, { accept: `multipart/related; type="${type}"`, range: 'bytes=0-3' });
    expect(part.status).toBe(200);
  });

  it('that is hidden is gone at once, for who has it too', async () => {
    for (const path of paths) {
      const etag = (await ask(path)).headers.etag ?? '';
      stored = [];
      expect((await ask(path, { 'if-none-match': etag })).status).toBe(404);
      stored = [blob.instance];
    }
  });

  it('that has to be made has no length before, and no parts', async () => {
    const bytes = await inSyntax(ct.bytes, ImplicitVRLittleEndian);
    blob.bytes = bytes;
    stored = [
      { ...blob.instance, transferSyntaxUid: ImplicitVRLittleEndian, byteCount: bytes.length, blobKey: 'other' },
    ];
    const { status, headers, body } = await ask('', { range: 'bytes=0-3' });
    expect([status, headers['content-length'], headers['accept-ranges']]).toEqual([200, undefined, undefined]);
    expect(headers.etag).toMatch(/^W\//);
    expect(parseFile(body).dataset.bytes('PixelData')).toEqual(parseFile(ct.bytes).dataset.bytes('PixelData'));
  });

  it('that is shorter than the ledger says is cut', async () => {
    blob.bytes = ct.bytes.subarray(0, -1);
    await expect(ask('')).rejects.toThrow();
    await expect.poll(() => served.logged.filter((line) => line.includes('dicomweb.answer-cut'))).toHaveLength(1);
    blob.bytes = ct.bytes;
    for (let n = 0; n < 3; n++) expect((await ask('')).status).toBe(200);
  });

  it('that is longer is cut where some of it has been sent, and else an error', async () => {
    blob.bytes = Buffer.concat([ct.bytes, Buffer.alloc(1)]);
    expect((await ask('')).status).toBe(500);
    blob.bytes = Buffer.concat([ct.bytes, Buffer.alloc(500_000)]);
    stored = [{ ...blob.instance, byteCount: 400_000 }];
    await expect(ask('')).rejects.toThrow();
    await expect.poll(() => served.logged.filter((line) => line.includes('dicomweb.answer-cut'))).toHaveLength(1);
  });

  it('that has to be decoded is known before that: nothing is read for who has it', async () => {
    const bytes = await inSyntax(ct.bytes, RLELossless);
    blob.bytes = bytes;
    stored = [{ ...blob.instance, transferSyntaxUid: RLELossless, byteCount: bytes.length, blobKey: 'compressed' }];
    for (const path of ['', '/frames/1', '/bulkdata/7FE00010'] as const) {
      const { status, headers } = await ask(path);
      expect([status, headers.etag?.startsWith('W/')], path).toEqual([200, true]);
      const before = blob.opened.length;
      expect((await ask(path, { 'if-none-match': headers.etag ?? '' })).status).toBe(304);
      expect((await ask(path, { 'if-match': '"another"' })).status).toBe(412);
      expect(blob.opened.length, path).toBe(before);
    }
  });

  it('that cannot be opened is an error without what is true of the answer alone', async () => {
    blob.open = () => Promise.reject(new Error('no such blob'));
    const { status, headers, body } = await ask('', { range: 'bytes=0-3' });
    expect([status, String(body)]).toEqual([500, 'the request could not be served\n']);
    for (const name of ['etag', 'content-range', 'accept-ranges']) expect(headers[name], name).toBeUndefined();
    expect(headers['content-length']).toBe(String(body.length));
  });
});
