import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { startBare } from './bare.js';
import { HttpClient } from './http-client.js';

it('gives the same answer to every request, and leaves nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'callosum-bare-'));
  const body = Buffer.from('as it came');
  const headers = { 'content-type': 'text/plain', 'content-encoding': 'x-none', etag: '"not kept"' };
  const bare = await startBare(dir, { status: 200, headers, headMs: 1, ms: 2, byteCount: body.length, body });
  const client = new HttpClient(bare.base);
  try {
    for (const path of ['/studies/1.2', '/studies/1.2/metadata'])
      expect(await client.ask(path, { keep: true })).toMatchObject({
        body,
        headers: { 'content-type': 'text/plain', 'content-encoding': 'x-none', 'content-length': '10' },
      });
  } finally {
    client.close();
    await bare.stop();
  }
  expect(readdirSync(dir)).toEqual([]);
  rmSync(dir, { recursive: true, force: true });
});
