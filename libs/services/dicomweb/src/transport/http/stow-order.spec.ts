import { tinyCt } from '@callosum/phantom';
import type { PlatformSettings } from '@callosum/runtime';
import fastify from 'fastify';
import { expect, it } from 'vitest';

import { StoreInstances } from '../../application/store-instances.js';
import { MemoryIntake } from '../../test-support/memory-intake.js';
import { multipart } from '../../test-support/multipart.js';
import { storeLimits } from '../../test-support/store-limits.js';
import { bodyBounds } from './request-body.js';
import { StowController } from './stow.controller.js';

it('an answer as JSON has its attributes in ascending order at all levels (PS3.18 F.2.2)', async () => {
  const stores = new StoreInstances(new MemoryIntake(), storeLimits, () => undefined);
  const settings = { CALLOSUM_PUBLIC_URL: 'http://here/' } as PlatformSettings;
  const controller = new StowController(stores, settings, () => undefined, bodyBounds);
  const http = fastify();
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('*', (_request, _payload, done) => done(null));
  // Without a promise, which Fastify would take for the answer.
  http.post('/studies', (request, reply) => {
    void controller.store(request, reply).catch((error: unknown) => reply.send(error));
  });
  try {
    const url = `${await http.listen({ host: '127.0.0.1', port: 0 })}/studies`;
    const type = 'application/dicom';
    const bad = tinyCt({ SOPClassUID: '1.2.840.10008.1.1' }).bytes;
    const sent = [tinyCt().bytes, bad, 'no object'].map((bytes) => ({ headers: { 'Content-Type': type }, bytes }));
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': `multipart/related; type="${type}"; boundary=b` },
      body: multipart('b', sent),
    });
    expect(answer.status).toBe(202);
    const tags = [...(await answer.text()).matchAll(/"([0-9A-F]{8})":/g)].map(([, tag]) => tag);
    expect(tags).toEqual([
      '00081190',
      ...['00081198', '00081150', '00081155', '00081197'],
      ...['00081199', '00081150', '00081155', '00081190'],
      ...['0008119A', '00081197'],
    ]);
  } finally {
    await http.close();
  }
});
