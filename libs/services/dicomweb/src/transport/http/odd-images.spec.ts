import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  type DicomDataset,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  isEncapsulated,
  parseFile,
} from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Blob, datasetOf, fileOf, inSyntax, samples } from '../../test-support/kept.js';
import { type Served, serveRetrieves } from '../../test-support/serve.js';

const us = (value: number) => ({ vr: 'US', Value: [value] });
const image = { rows: 4, columns: 4, frames: 1, bitsAllocated: 16, vr: 'OW', pixels: samples(32) };
/** Image attributes that STOW-RS takes and nobody can tell frames by. */
const odd: readonly (readonly [string, Uint8Array])[] = [
  ['Number of Frames 0', fileOf(datasetOf({ ...image, frames: 0 }))],
  ['Number of Frames -1', fileOf(datasetOf({ ...image, frames: -1 }))],
  ['Bits Allocated 12', fileOf(datasetOf({ ...image, bitsAllocated: 12 }))],
  ['Bits Allocated 7', fileOf(datasetOf({ ...image, bitsAllocated: 7 }))],
  ['Rows 0', fileOf(datasetOf({ ...image, rows: 0 }))],
  ['Bits Stored 20 of 16', fileOf(datasetOf({ ...image, more: { '00280101': us(20) } }))],
  ['Samples per Pixel 2', fileOf(datasetOf({ ...image, more: { '00280002': us(2) } }))],
];
const isNative = (bytes: Uint8Array): boolean => {
  try {
    return !isEncapsulated(parseFile(bytes).transferSyntax.uid);
  } catch {
    return false;
  }
};
const directory = testDataPath('malformed/synthetic/pixels');
const malformed = (directory === undefined ? [] : readdirSync(directory))
  .map((name) => [name, new Uint8Array(readFileSync(join(directory ?? '', name)))] as const)
  .filter(([, bytes]) => isNative(bytes));

/** Every value, private ones too, without the lengths of groups. */
const valuesOf = (dataset: DicomDataset): unknown[] =>
  [...dataset]
    .filter(({ tag }) => !tag.endsWith('0000'))
    .map(({ tag, value, items }) => [tag, items ? items.map(valuesOf) : Buffer.from(value).toString('hex')]);

describe.each([ImplicitVRLittleEndian, ExplicitVRBigEndian])('an object in %s with odd image attributes', (stored) => {
  let blobs: readonly Blob[] = [];
  let served: Served;
  beforeAll(async () => {
    served = await serveRetrieves({
      locate: ({ sopInstanceUid }) =>
        Promise.resolve(
          blobs
            .map(({ instance }) => instance)
            .filter((one) => [undefined, one.sopInstanceUid].includes(sopInstanceUid)),
        ),
      open: (key, ...what) => (blobs.find(({ instance }) => instance.blobKey === key) as Blob).open(key, ...what),
    });
  });
  afterAll(() => served.close());

  it.each([...odd, ...malformed])('leaves equal, alone and in its study: %s', async (_, bytes) => {
    const plain = fileOf(datasetOf(image));
    blobs = [
      new Blob(plain, ExplicitVRLittleEndian, { blobKey: 'plain', sopInstanceUid: '1.1' }),
      new Blob(await inSyntax(bytes, stored), stored, { blobKey: 'odd', sopInstanceUid: '1.2' }),
    ];
    const values = valuesOf(parseFile(bytes).dataset);
    const { studyInstanceUid, seriesInstanceUid } = tinyCt();
    const study = `/dicom-web/studies/${studyInstanceUid}`;
    for (const syntax of ['', '; transfer-syntax=*']) {
      const alone = await served.ask(`${study}/series/${seriesInstanceUid}/instances/1.2`, {
        accept: `application/dicom${syntax}`,
      });
      expect(alone.status).toBe(200);
      const file = parseFile(alone.body);
      expect(file.transferSyntax.uid).toBe(ExplicitVRLittleEndian);
      expect(valuesOf(file.dataset)).toEqual(values);
      const whole = await served.ask(study, { accept: `multipart/related; type="application/dicom"${syntax}` });
      expect(whole.status).toBe(200);
      expect(whole.body.includes(alone.body)).toBe(true);
    }
  });
});
