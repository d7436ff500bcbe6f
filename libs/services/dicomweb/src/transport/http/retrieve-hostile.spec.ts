import { Readable } from 'node:stream';

import { ExplicitVRLittleEndian, JPEGLSLossless } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Blob, datasetOf, fileOf, samples } from '../../test-support/kept.js';
import { type Served, serveRetrieves } from '../../test-support/serve.js';

const ct = tinyCt();
const study = `/dicom-web/studies/${ct.studyInstanceUid}`;
const instance = `${study}/series/${ct.seriesInstanceUid}/instances/${ct.sopInstanceUid}`;
/** Sockets of a loopback connection take some 4 MiB on either side, if the system lets them grow. */
const socketsBytesMax = 16 * 1024 * 1024;
const script = '<script>alert(1)</script>';

describe('a retrieve that means no good', () => {
  let served: Served;
  let blob: Blob;
  beforeEach(async () => {
    blob = new Blob(ct.bytes);
    served = await serveRetrieves(blob);
  });
  afterEach(() => served.close());

  it.each([
    [`/dicom-web/studies/${encodeURIComponent(script)}`, 400],
    ['/dicom-web/studies/1.2%2F..%2F..%2Fetc%2Fpasswd', 400],
    ['/dicom-web/studies/1.2%2e%2e', 400],
    ['/dicom-web/studies/1.2%00', 400],
    ['/dicom-web/studies/1.2.', 400],
    [`/dicom-web/studies/${'1'.repeat(65)}`, 400],
    [`${study}/series/..%5C..%5Cx/metadata`, 400],
    [`${instance}/frames/0`, 400],
    [`${instance}/frames/-1`, 400],
    [`${instance}/frames/1,`, 400],
    [`${instance}/frames/1e9`, 400],
    [`${instance}/frames/9999999999`, 400],
    [`${instance}/frames/999999999`, 404],
    [`${instance}/frames/${Array.from({ length: 1_001 }, () => '1').join()}`, 400],
    [`${instance}/frames/%D9%A1`, 400],
    [`${instance}/frames/${encodeURIComponent(script)}`, 400],
    [`${instance}/bulkdata/..%2F..%2F..%2Fetc%2Fpasswd`, 400],
    [`${instance}/bulkdata/7FE00010/999999/7FE00010`, 404],
    [`${instance}/bulkdata/${'54000100/0/'.repeat(17)}54001010`, 400],
    [`${instance}/bulkdata/${'7FE00010/0/'.repeat(1_000)}7FE00010`, 400],
    [`${instance}/bulkdata/__proto__`, 400],
    [`${instance}/bulkdata/`, 400],
  ])('is refused by its path, which is not repeated (%#)', async (path, status) => {
    const { status: answered, headers, body } = await served.ask(path);
    expect(answered).toBe(status);
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(body.length).toBeLessThan(300);
    for (const part of ['script', 'passwd', '__proto__']) expect(String(body)).not.toContain(part);
  });

  it.each([
    ['accept', `application/dicom${';a=b'.repeat(2_000)}`, 400],
    ['accept', 'multipart/related; type="application/dicom', 400],
    ['accept', 'application/dicom; transfer-syntax=1.2.3', 406],
    ['accept', `${'a/b,'.repeat(1_000)}*/*`, 200],
    ['accept', '*/*,'.repeat(1_000), 200],
    ['accept', Array.from({ length: 300 }, (_, i) => `*/*;q=0.${String(100 + i)}`).join(), 200],
    ['accept', Array.from({ length: 300 }, (_, i) => `a/b${String(i)}`).join(), 400],
    ['accept', 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', 200],
    ['accept-encoding', 'gzip;q=0, identity;q=0, *;q=0', 200],
    ['range', `bytes=${'0-1,'.repeat(3_000)}`, 200],
    ['range', 'bytes=99999999999999999999-', 200],
    ['if-none-match', '"a",'.repeat(3_000), 200],
    ['if-none-match', '"'.repeat(10_000), 200],
    ['if-range', ','.repeat(10_000), 200],
  ])('is read in a moment whatever its %s (%#)', async (name, value, status) => {
    const begun = performance.now();
    expect((await served.ask(instance, { [name]: value })).status).toBe(status);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it.each([
    ['all alike', '*/*,'.repeat(1_000)],
    ['all different', Array.from({ length: 60 }, (_, i) => `*/*; transfer-syntax=1.2.${String(i)}`).join() + ',*/*'],
  ])('is weighed once for all objects that are stored alike, however much it accepts (%s)', async (_, accept) => {
    await served.close();
    const instances = Array.from({ length: 5_000 }, (_, i) => ({
      ...blob.instance,
      sopInstanceUid: `1.2.${String(i)}`,
      blobKey: String(i),
    }));
    served = await serveRetrieves({
      locate: () => Promise.resolve(instances),
      open: (...asked) => blob.open(...asked),
    });
    const begun = performance.now();
    expect((await served.ask(study, { accept }, 'HEAD')).status).toBe(200);
    // What is served meanwhile waits as long.
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it.each(['first', 'last'])(
    'finds an object whose code stream says nothing, and is given the others (%s)',
    async (place) => {
      await served.close();
      const image = { rows: 8, columns: 8, frames: 1, bitsAllocated: 16, vr: 'OW', pixels: samples(128) };
      const fragments = [new Uint8Array(0), samples(100)];
      const file = fileOf({ ...datasetOf(image), '7FE00010': { vr: 'OB', fragments } }, JPEGLSLossless);
      const broken = new Blob(file, JPEGLSLossless, { blobKey: 'broken', sopInstanceUid: '1.2.4' });
      const blobs = place === 'first' ? [broken, blob] : [blob, broken];
      served = await serveRetrieves({
        locate: () => Promise.resolve(blobs.map(({ instance }) => instance)),
        open: (key, ...asked) => (key === 'broken' ? broken : blob).open(key, ...asked),
      });
      const { status, body } = await served.ask(study);
      expect(status).toBe(200);
      expect(body.includes(Buffer.from(file))).toBe(true);
      const alone = `${study}/series/${ct.seriesInstanceUid}/instances/${broken.instance.sopInstanceUid}`;
      const only = await serveRetrieves(broken);
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await only.ask(alone, { accept: 'application/dicom' }, method);
        expect([status, headers['content-type'], headers['content-length']]).toEqual([
          200,
          `application/dicom; transfer-syntax=${JPEGLSLossless}`,
          String(file.length),
        ]);
      }
      await only.close();
      const said = [
        ...body.toString('latin1').matchAll(/^Content-Type: application\/dicom; transfer-syntax=(.*)\r$/gm),
      ];
      const syntaxes = blobs.map(({ instance: { transferSyntaxUid } }) => transferSyntaxUid);
      expect(said.map(([, uid]) => uid)).toEqual(syntaxes);
      const named = `multipart/related; type="application/dicom"; transfer-syntax=${ExplicitVRLittleEndian}`;
      if (place === 'first') expect((await served.ask(study, { accept: named })).status).toBe(406);
      else await expect(served.ask(study, { accept: named })).rejects.toThrow();
    },
  );

  it('is not given a page by what an object holds: only types that nobody runs, and none that is guessed', async () => {
    for (const accept of ['text/html', 'image/svg+xml', 'text/html, */*;q=0.1', 'image/*, text/html']) {
      for (const path of [instance, `${instance}/frames/1`, `${instance}/bulkdata/7FE00010`, `${instance}/metadata`]) {
        const { headers } = await served.ask(path, { accept });
        expect(headers['content-type'], `${accept} ${path}`).toMatch(
          /^(application\/(octet-stream|dicom|dicom\+json|dicom\+xml)|multipart\/related|text\/plain)\b/,
        );
      }
    }
  });

  it('whose client reads slowly is not read ahead for: an object, and one of many', async () => {
    const size = 64 * 1024 * 1024;
    let pulled = 0;
    const large = new Blob(new Uint8Array(0), ExplicitVRLittleEndian, { byteCount: size });
    large.open = () =>
      Promise.resolve(
        Readable.from(
          (function* () {
            for (let at = 0; at < size; at += 65_536) {
              pulled += 65_536;
              yield Buffer.alloc(65_536);
            }
          })(),
          { objectMode: false },
        ),
      );
    await served.close();
    served = await serveRetrieves({
      locate: () => Promise.resolve([large.instance, { ...large.instance, sopInstanceUid: '1.2.3' }]),
      open: (...asked) => large.open(...asked),
    });
    for (const accept of ['application/dicom', 'multipart/related; type="application/dicom"']) {
      pulled = 0;
      const response = await served.askUnread(accept === 'application/dicom' ? instance : study, { accept });
      // Until nothing moves any more: what the sockets hold is the system's.
      for (let before = -1; before !== pulled;) {
        before = pulled;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(pulled, accept).toBeGreaterThan(0);
      expect(pulled, accept).toBeLessThan(socketsBytesMax);
      response.destroy();
    }
  });
});
