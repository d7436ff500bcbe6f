import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  JPEGLSLossless,
  parseFile,
  RLELossless,
} from '@callosum/dicom';
import { randomOf } from '@callosum/phantom';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Blob, datasetOf, fileOf, inSyntax, samples } from '../../test-support/kept.js';
import { type Served, serveRetrieves } from '../../test-support/serve.js';

const runs = Number(process.env['CALLOSUM_FUZZ_RUNS'] ?? 10);
const seed = 1127;
const image = { rows: 8, columns: 8, frames: 2, bitsAllocated: 16, vr: 'OW', pixels: samples(256) };
const syntaxes = [
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  ExplicitVRBigEndian,
  DeflatedExplicitVRLittleEndian,
  RLELossless,
  JPEGLSLossless,
];

/** What is asked of each object. */
const asked: readonly (readonly [string, string])[] = [
  ['', '*/*'],
  ['', 'application/dicom; transfer-syntax=*'],
  ['', `application/dicom; transfer-syntax=${JPEGLSLossless}`],
  ['/metadata', 'application/dicom+json'],
  ['/metadata', 'application/dicom+xml'],
  ['/frames/1', '*/*'],
  ['/frames/2,1', 'multipart/related; type="application/octet-stream"; transfer-syntax=*'],
  ['/frames/1', 'image/jls'],
  ['/bulkdata/7FE00010', '*/*'],
  ['/bulkdata/00080018', '*/*'],
  ['/bulkdata/00880200/0/7FE00010', '*/*'],
];
/** An object that is broken is nobody's fault who asks: not 400. What breaks when it is being sent is cut. */
const outcomes: readonly unknown[] = [200, 404, 406, 413, 500, 503, 'cut'];

interface Logged {
  readonly err?: { readonly type: string; readonly code?: string };
}
const defects: readonly unknown[] = ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'];

describe('objects that are not what they say', () => {
  let blob = new Blob(fileOf(datasetOf(image)));
  let served: Served;
  beforeAll(async () => {
    served = await serveRetrieves({
      locate: () => blob.locate(),
      open: (...what) => blob.open(...what),
    });
  });
  afterAll(() => served.close());
  const path = (): string => {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = blob.instance;
    return `/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
  };

  /** Asks for all there is of it; blobs have keys of their own, as nothing of one is true of another. */
  let blobs = 0;
  async function askAll(bytes: Uint8Array, transferSyntaxUid: string, what: string): Promise<void> {
    blob = new Blob(bytes, transferSyntaxUid, { blobKey: `blob ${String(blobs++)}` });
    for (const [resource, accept] of asked) {
      const before = served.logged.length;
      const outcome = await served.ask(`${path()}${resource}`, { accept }).then(
        ({ status, body, headers }) => {
          if (status === 200 && headers['content-type'] === 'application/dicom+json') JSON.parse(body.toString());
          return status;
        },
        () => 'cut',
      );
      expect(outcomes, `${what}, ${resource} as ${accept}`).toContain(outcome);
      const errors = served.logged.slice(before).map((line) => (JSON.parse(line) as Logged).err);
      // An error of ours is that the object is broken, and never a defect that it has met.
      if (outcome === 500) expect(errors.map((error) => error?.code)).toContain('dicomweb.object-broken');
      for (const error of errors)
        expect(defects, `${what}, ${resource} as ${accept}: ${JSON.stringify(error)}`).not.toContain(error?.type);
    }
  }
  const isWell = async (): Promise<void> => {
    blob = new Blob(fileOf(datasetOf(image)), ExplicitVRLittleEndian, { blobKey: `blob ${String(blobs++)}` });
    for (const [resource, accept] of asked.filter(([resource]) => !resource.includes('00880200')))
      expect([200, 404], `${resource} as ${accept}`).toContain(
        (await served.ask(`${path()}${resource}`, { accept })).status,
      );
  };

  it.each(syntaxes)('are answered or refused, and the next is served (bytes changed, %s)', async (uid) => {
    const whole = await inSyntax(fileOf(datasetOf(image)), uid);
    const random = randomOf(seed + syntaxes.indexOf(uid));
    for (let run = 0; run < runs; run++) {
      const bytes = Uint8Array.from(whole);
      // Behind the preamble: most of what is there says how long something is.
      for (let n = 1 + Math.floor(random() * 4); n > 0; n--)
        bytes[132 + Math.floor(random() * (bytes.length - 132))] = Math.floor(random() * 256);
      await askAll(bytes, uid, `seed ${String(seed)}, run ${String(run)}`);
    }
    await isWell();
  });

  it.each(syntaxes)('are answered or refused where they end before their end (%s)', async (uid) => {
    const whole = await inSyntax(fileOf(datasetOf(image)), uid);
    const random = randomOf(seed);
    for (let run = 0; run < runs; run++)
      await askAll(whole.subarray(0, Math.floor(random() * whole.length)), uid, `run ${String(run)}`);
    await isWell();
  });

  const malformed = testDataPath('malformed');
  const files = (malformed === undefined ? [] : readdirSync(malformed, { recursive: true, encoding: 'utf8' })).filter(
    (file) => extname(file) === '.dcm',
  );
  it.skipIf(malformed === undefined)('are answered or refused: what others have found', async () => {
    for (const file of files) {
      const bytes = readFileSync(join(malformed ?? '', file));
      await askAll(bytes, syntaxOf(bytes), file);
    }
    await isWell();
  });
});

/** As File Meta Information says, where it can be read. */
function syntaxOf(bytes: Uint8Array): string {
  try {
    return parseFile(bytes).fileMeta.transferSyntaxUid;
  } catch {
    return ExplicitVRLittleEndian;
  }
}
