import { rmSync } from 'node:fs';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

import { parseHeader, toDicomJson } from '@callosum/dicom';
import { bytesOf, forgetPeak, type LargeObject, largeObject, mebi, peakOf } from '@callosum/stack';
import { orSkip, startS3 } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { query } from './harness/database.js';
import type { DicomJson } from './harness/dicomweb.js';
import { boundary, multipartType, referencedIn } from './harness/stow.js';

/** Of one request; 5 GiB by `npm run test:long -- stow`. */
const requestBytes = Number(process.env['CALLOSUM_STOW_MIB'] ?? 384) * mebi;
/** An object has fewer than 4 GiB of native pixels (PS3.5 7.1). One alone tells whether it is ever held whole. */
const objectsOfRequest = requestBytes > 1024 * mebi ? 4 : 1;
/**
 * What a request may take beside what the services hold anyway: buffers of a store, garbage until it is collected. A third
 * of the smallest object.
 */
const peakMibMax = 128;

const s3 = await orSkip(startS3);
afterAll(() => s3.server?.stop());
const stores = [
  ['files', {}],
  [
    'S3',
    s3.server && {
      CALLOSUM_OBJECT_STORE: 's3',
      CALLOSUM_S3_ENDPOINT: s3.server.endpoint,
      CALLOSUM_S3_REGION: s3.server.region,
      CALLOSUM_S3_BUCKET: s3.server.bucket,
      CALLOSUM_S3_ACCESS_KEY_ID: s3.server.accessKeyId,
      CALLOSUM_S3_SECRET_ACCESS_KEY: s3.server.secretAccessKey,
    },
  ],
] as const;

describe.each(stores)(`a request of ${requestBytes / mebi} MiB, with objects in %s`, (_store, env) => {
  let system: Callosum | undefined;
  beforeAll(async () => {
    if (env) system = await Callosum.start('store-large', { worker: false, env });
  });
  afterAll(async () => {
    await system?.stop();
    if (system) rmSync(system.dataDir, { recursive: true, force: true });
  });

  it.for(['as objects', 'as metadata and bulk data'])('sent %s, is stored in bounded memory', async (how, context) => {
    if (!system) return context.skip(s3.missing);
    const objects = Array.from({ length: objectsOfRequest }, () => largeObject(requestBytes / objectsOfRequest));
    const isMetadata = how !== 'as objects';
    // What the start cost is not of the request.
    await post(system, parts([largeObject(mebi)], isMetadata), isMetadata);
    forgetPeak(system.pid);
    const restMiB = peakOf(system.pid);
    const answer = await post(system, parts(objects, isMetadata), isMetadata);
    const peakMiB = peakOf(system.pid);
    expect(answer.status, JSON.stringify(answer.dataset).slice(0, 500)).toBe(200);
    expect(referencedIn(answer)).toEqual(objects.map((one) => one.sopInstanceUid));
    process.stdout.write(`${how}: ${restMiB} MiB at rest, ${peakMiB} MiB at most\n`);
    expect(peakMiB - restMiB).toBeLessThan(peakMibMax);
    for (const { sopInstanceUid, pixelBytes } of objects) {
      const [row] = await query<{ byte_count: string }>(
        system,
        'select byte_count from archive.intake where sop_instance_uid = $1',
        [sopInstanceUid],
      );
      expect(Number(row?.byte_count)).toBeGreaterThan(pixelBytes);
    }
  });
});

function* parts(objects: readonly LargeObject[], isMetadata: boolean): Generator<Uint8Array> {
  const begin = (type: string, more = ''): Buffer =>
    Buffer.from(`--${boundary}\r\nContent-Type: ${type}\r\n${more}\r\n`);
  const end = Buffer.from('\r\n');
  if (isMetadata) {
    yield begin('application/dicom+json');
    yield Buffer.from(JSON.stringify(objects.map(metadataOf)));
    yield end;
  }
  for (const object of objects) {
    const { head, pixelBytes, sopInstanceUid } = object;
    const bulk = `Content-Location: ${sopInstanceUid}\r\nContent-Length: ${pixelBytes}\r\n`;
    yield isMetadata ? begin('application/octet-stream', bulk) : begin('application/dicom');
    yield* bytesOf(object, undefined, isMetadata ? head.byteLength : 0);
    yield end;
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}

/** With Rows and Columns that make so many pixels. */
function metadataOf({ head, pixelBytes, sopInstanceUid }: LargeObject): DicomJson {
  const header = parseHeader(head, { complete: false });
  if (header === 'need-more') throw new Error('the head has no Pixel Data');
  const columns = 2_048;
  return {
    ...toDicomJson(header.dataset, { bulkDataUri: () => sopInstanceUid, inlineBytesMax: 0 }),
    '00280008': { vr: 'IS', Value: [pixelBytes / columns / 2 / 128] },
    '00280010': { vr: 'US', Value: [128] },
    '00280011': { vr: 'US', Value: [columns] },
  };
}

async function post(
  { httpUrl }: Callosum,
  body: Iterable<Uint8Array>,
  isMetadata: boolean,
): Promise<{ readonly status: number | undefined; readonly dataset: DicomJson }> {
  const type = multipartType(isMetadata ? 'application/dicom+json' : 'application/dicom');
  const sent = request(`${httpUrl}/dicom-web/studies`, { method: 'POST', headers: { 'content-type': type } });
  const answered = new Promise<{ status: number | undefined; dataset: DicomJson }>((resolve, reject) => {
    sent.once('error', reject);
    sent.once('response', (response) => {
      text(response).then(
        (answer) => resolve({ status: response.statusCode, dataset: JSON.parse(answer) as DicomJson }),
        reject,
      );
    });
  });
  await Promise.all([pipeline(Readable.from(body, { objectMode: false }), sent), answered]);
  return answered;
}
