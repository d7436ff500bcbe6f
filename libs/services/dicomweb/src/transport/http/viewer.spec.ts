import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { gunzipSync } from 'node:zlib';

import { platformSettings, prefixOf } from '@callosum/runtime';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { viewerBase } from '../../domain/viewer-base.js';
import { dicomwebSettings } from '../../settings.js';
import { ViewerController } from './viewer.controller.js';
import { ViewerFiles } from './viewer-files.js';

// Counted, not replaced: how often the disk is read is what this is about.
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof files>();
  return { ...real, readFile: vi.fn(real.readFile) };
});

describe('the files of the viewer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'callosum-viewer-'));
  const bundle = `${'x = 1;'.repeat(100_000)}webpack.p = "/";`;
  let http: FastifyInstance;

  beforeAll(() => {
    writeFileSync(join(folder, 'index.html'), '<script src="/app.js"></script>');
    writeFileSync(join(folder, 'app.0123456789abcdef.js'), bundle);
    writeFileSync(join(folder, 'image.png'), 'a picture');
    http = serve('http://127.0.0.1:8080');
  });

  /** As the router hands requests on, the path of the site taken off. */
  function serve(publicUrl: string): FastifyInstance {
    const platform = platformSettings.parse({ CALLOSUM_PUBLIC_URL: publicUrl });
    const files = new ViewerFiles(viewerBase(prefixOf(publicUrl)));
    const controller = new ViewerController(dicomwebSettings.parse({ CALLOSUM_VIEWER_DIR: folder }), platform, files);
    const app = fastify();
    app.get('/viewer/*', async (request, reply) => {
      await controller.file(request, reply);
      return reply;
    });
    return app;
  }
  afterAll(async () => {
    await http.close();
    rmSync(folder, { recursive: true });
  });

  /** What the configuration sets, read as a page reads it. */
  const configured = (script: string, urls = { createObjectURL: (_: Blob) => '' }): unknown =>
    runInNewContext(`${script}; window.config`, { window: {}, URL: urls, Blob });

  const get = (path: string, headers: Record<string, string> = {}) => http.inject({ url: `/viewer/${path}`, headers });
  const expected = bundle.replace('"/"', '"/viewer/"');

  it('are read, moved and compressed once, however many ask at the same time', async () => {
    vi.mocked(files.readFile).mockClear();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => get('app.0123456789abcdef.js', { 'accept-encoding': 'br, gzip' })),
    );
    for (const answer of answers) {
      expect(answer.headers['content-encoding']).toBe('gzip');
      expect(gunzipSync(answer.rawPayload).toString()).toBe(expected);
      expect(answer.rawPayload.length).toBeLessThan(bundle.length / 20);
    }
    expect(files.readFile).toHaveBeenCalledTimes(1);
  });

  it('are the page for paths of its router, and 404 where a page of another version names others', async () => {
    for (const path of ['', 'viewer', 'segmentation/1.2.840.3', 'index.html', 'gone.html']) {
      const page = await get(path);
      expect([page.statusCode, page.headers['content-type']], path).toEqual([200, 'text/html; charset=utf-8']);
    }
    for (const path of ['app.fedcba9876543210.js', 'gone.wasm', 'a/gone.css', 'gone.JS', '..%2f..%2fpackage.json']) {
      const answer = await get(path);
      expect([answer.statusCode, answer.payload], path).toEqual([404, 'no such file\n']);
    }
  });

  it('and its configuration name the path of a site that shares its host, and have other tags there', async () => {
    const shared = serve('https://pacs.example/imaging/');
    const get = (path: string) => shared.inject({ url: `/viewer/${path}` });
    const script = await get('app.0123456789abcdef.js');
    expect(script.payload).toBe(bundle.replace('"/"', '"/imaging/viewer/"'));
    const own = await http.inject({ url: '/viewer/app.0123456789abcdef.js' });
    expect(script.headers['etag']).not.toBe(own.headers['etag']);
    const page = await get('index.html');
    expect(page.payload).toContain('src="/imaging/viewer/app.js"');
    const config = await get('app-config.js');
    const { routerBasename, dataSources } = configured(config.payload) as {
      readonly routerBasename: string;
      readonly dataSources: readonly { readonly configuration: Readonly<Record<string, unknown>> }[];
    };
    expect(routerBasename).toBe('/imaging/viewer');
    expect(dataSources.map(({ configuration: c }) => [c['qidoRoot'], c['wadoRoot'], c['wadoUriRoot']])).toEqual([
      ['/imaging/dicom-web', '/imaging/dicom-web', '/imaging/dicom-web/wado'],
    ]);
    await shared.close();
  });

  it.each([
    ['application/pdf', 'application/pdf'],
    ['Application/PDF; version=1.7', 'application/pdf; version=1.7'],
    ['text/javascript; charset=utf-8', 'text/javascript; charset=utf-8'],
    ['image/png', 'image/png'],
    ['video/mp4', 'video/mp4'],
    ['', 'application/octet-stream'],
    // A Blob of it has none.
    ['text/html\u00e9', 'application/octet-stream'],
    [' ', 'application/octet-stream'],
    ['text/html', 'text/plain'],
    ['TEXT/HTML; charset=utf-8', 'text/plain'],
    ['application/xhtml+xml', 'text/plain'],
    ['image/svg+xml', 'text/plain'],
    ['text/xml', 'text/plain'],
    ['application/pdf,text/html', 'text/plain'],
    ['multipart/related', 'text/plain'],
  ])('are configured to make no page of a document: what calls itself %j is an object of %j', async (type, made) => {
    const types: string[] = [];
    const urls = { createObjectURL: (blob: Blob) => `blob:${types.push(blob.type)}` };
    configured((await get('app-config.js')).payload, urls);
    expect(urls.createObjectURL(new Blob(['<script>alert(1)</script>'], { type }))).toBe('blob:1');
    expect(types).toEqual([made]);
  });

  it('are configured to show as text what has no marks to draw, and nothing else', async () => {
    interface DisplaySet {
      readonly isImagingMeasurementReport: boolean;
      readonly instance: object;
      readonly instances: readonly object[];
    }
    interface Extension {
      preRegistration(given: { readonly servicesManager: object }): void;
    }
    const config = await get('app-config.js');
    const { extensions } = configured(config.payload) as {
      readonly extensions: readonly Extension[];
    };
    let added: (event: { readonly displaySetsAdded: readonly DisplaySet[] }) => void = () => undefined;
    const displaySetService = {
      EVENTS: { DISPLAY_SETS_ADDED: 'added' },
      subscribe: (_event: string, then: typeof added) => (added = then),
    };
    for (const one of extensions) one.preRegistration({ servicesManager: { services: { displaySetService } } });
    const report = (content?: object): DisplaySet => {
      const instance = { ContinuityOfContent: 'CONTINUOUS', ContentSequence: content };
      return { isImagingMeasurementReport: true, instance, instances: [instance] };
    };
    const group = (...items: object[]): object => [
      { ValueType: 'CONTAINER', ContinuityOfContent: 'CONTINUOUS', ContentSequence: items },
    ];
    const shown = [
      report(group({ ValueType: 'NUM', ContentSequence: { ValueType: 'SCOORD' } })),
      report(group({ ValueType: 'SCOORD3D' })),
      report(group({ ValueType: 'NUM', ContentSequence: [{ ValueType: 'CODE' }] })),
      report(),
      { isImagingMeasurementReport: false, instance: {}, instances: [{}] },
    ];
    added({ displaySetsAdded: shown });
    expect(shown.map(({ isImagingMeasurementReport: is }) => is)).toEqual([true, true, false, false, false]);
    const continuity = shown.map(({ instances }) => JSON.stringify(instances).match(/CONTINUOUS|SEPARATE/g) ?? []);
    expect(continuity).toEqual([
      ['CONTINUOUS', 'CONTINUOUS'],
      ['CONTINUOUS', 'CONTINUOUS'],
      ['SEPARATE', 'SEPARATE'],
      ['SEPARATE'],
      [],
    ]);
  });

  it('may show documents and play videos that the page has made, and nothing of another host', async () => {
    const policy = String((await get('index.html')).headers['content-security-policy']);
    for (const kind of ['img', 'media', 'object', 'frame'])
      expect(policy).toMatch(new RegExp(`${kind}-src 'self'[^;]* blob:`));
    expect(policy).not.toMatch(/https?:|\*/);
  });

  it('are framed by no other site, have no other base, and send forms to none (CSP 3, 6.2, 6.3: no default-src says so)', async () => {
    const policy = String((await get('index.html')).headers['content-security-policy']).split('; ');
    for (const directive of ['frame-ancestors', 'base-uri', 'form-action'])
      expect(policy).toContain(`${directive} 'self'`);
  });

  it('come without a coding for who does not take it', async () => {
    for (const accepted of ['', 'identity', 'gzip;q=0', 'br', 'gzip;q=0, *']) {
      const answer = await get('app.0123456789abcdef.js', { 'accept-encoding': accepted });
      expect([answer.headers['content-encoding'], answer.payload === expected]).toEqual([undefined, true]);
    }
  });

  it('have a strong tag only where all who ask get the same bytes (RFC 9110 8.8.3.3)', async () => {
    expect((await get('app.0123456789abcdef.js')).headers['etag']).toMatch(/^W\/"/);
    expect((await get('image.png')).headers['etag']).toMatch(/^"/);
  });

  it('are not sent again to who has them, and are when they changed', async () => {
    for (const path of ['index.html', 'image.png']) {
      const first = await get(path);
      const etag = String(first.headers['etag']);
      expect((await get(path, { 'if-none-match': `"other", W/${etag.replace(/^W\//, '')}` })).statusCode).toBe(304);
      writeFileSync(join(folder, path), `changed ${path} src="/a"`);
      utimesSync(join(folder, path), new Date(), new Date(Date.now() + 5_000));
      const second = await get(path, { 'if-none-match': etag });
      expect(second.statusCode).toBe(200);
      expect(second.payload).toContain('changed');
    }
  });
});
