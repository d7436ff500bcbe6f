import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { platformSettings } from '@callosum/runtime';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

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
    const settings = dicomwebSettings.parse({ CALLOSUM_VIEWER_DIR: folder });
    const controller = new ViewerController(settings, platformSettings.parse({}), new ViewerFiles());
    http = fastify();
    http.get('/viewer/*', async (request, reply) => {
      await controller.file(request, reply);
      return reply;
    });
  });
  afterAll(async () => {
    await http.close();
    rmSync(folder, { recursive: true });
  });

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

  it('come without a coding for who does not take it', async () => {
    for (const accepted of ['', 'identity', 'gzip;q=0', 'br']) {
      const answer = await get('app.0123456789abcdef.js', { 'accept-encoding': accepted });
      expect([answer.headers['content-encoding'], answer.payload === expected]).toEqual([undefined, true]);
    }
  });

  it('are not sent again to who has them, and are when they changed', async () => {
    for (const path of ['index.html', 'image.png']) {
      const first = await get(path);
      const etag = String(first.headers['etag']);
      expect((await get(path, { 'if-none-match': `"other", W/${etag}` })).statusCode).toBe(304);
      writeFileSync(join(folder, path), `changed ${path} src="/a"`);
      utimesSync(join(folder, path), new Date(), new Date(Date.now() + 5_000));
      const second = await get(path, { 'if-none-match': etag });
      expect(second.statusCode).toBe(200);
      expect(second.payload).toContain('changed');
    }
  });
});
