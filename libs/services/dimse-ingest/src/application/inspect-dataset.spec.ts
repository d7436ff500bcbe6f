import { deflateRawSync } from 'node:zlib';

import {
  datasetOf,
  defaultParseLimits,
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  stepsOfTurn,
  writeDataset,
} from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import type { DatasetUids } from '../domain/dataset-scanner.js';
import { inspectDataset } from './inspect-dataset.js';

const mebibyte = 1024 * 1024;
const uids = { sopClassUid: '1.2.1', sopInstanceUid: '1.2.2', studyInstanceUid: '1.2.3', seriesInstanceUid: '1.2.4' };
const objectOf = (pixelBytes: number): Buffer =>
  Buffer.from(
    writeDataset(
      datasetOf({
        SOPClassUID: uids.sopClassUid,
        SOPInstanceUID: uids.sopInstanceUid,
        StudyInstanceUID: uids.studyInstanceUid,
        SeriesInstanceUID: uids.seriesInstanceUid,
        PixelData: new Uint8Array(pixelBytes),
      }),
    ),
  );

/** What the inspection says; closed in the end. */
async function inspected(transferSyntaxUid: string, ...pieces: readonly Uint8Array[]): Promise<DatasetUids> {
  const inspection = inspectDataset(transferSyntaxUid);
  try {
    for (const piece of pieces) await inspection.write(piece);
    return await inspection.end();
  } finally {
    inspection.close();
  }
}

/** How often the event loop came round meanwhile: what else the process has to do is done then. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work.finally(() => (isOver = true));
  return turns;
}

describe('an object that is made of elements', () => {
  const elements = 32 * stepsOfTurn;
  const empty = Buffer.concat(Array.from({ length: elements }, () => Buffer.from('0800500053480000', 'hex')));

  it('stands in line with all others like it: a few thousand elements a turn of the event loop, of all together', async () => {
    const many = 8;
    const all = Promise.all(Array.from({ length: many }, () => inspected(ExplicitVRLittleEndian, empty)));
    expect(await turnsOf(all)).toBeGreaterThan(many * 30);
  });

  it('keeps no image waiting, which costs no turn', async () => {
    const many = Promise.all(Array.from({ length: 8 }, () => inspected(ExplicitVRLittleEndian, empty)));
    const image = objectOf(512 * 1024);
    const turns = await turnsOf(
      (async () => {
        for (let count = 0; count < 20; count++)
          expect(await inspected(ExplicitVRLittleEndian, image.subarray(0, 999), image.subarray(999))).toEqual(uids);
      })(),
    );
    expect(turns).toBeLessThanOrEqual(1);
    await many;
  });

  it('is refused where it has more than any reader takes, deflated too', async () => {
    const bytes = Buffer.concat([objectOf(0).subarray(0, -12), Buffer.alloc((defaultParseLimits.elementsMax + 2) * 8)]);
    const bomb = deflateRawSync(bytes);
    expect(bomb.length).toBeLessThan(40_000);
    await expect(inspected(DeflatedExplicitVRLittleEndian, bomb)).rejects.toThrow('more than 4000000 elements');
  });
});

describe('a deflated object', () => {
  it('is taken however far it inflates: a label map with little on it', async () => {
    const sparse = deflateRawSync(objectOf(8 * mebibyte), { level: 9 });
    expect((8 * mebibyte) / sparse.length).toBeGreaterThan(900);
    expect(await inspected(DeflatedExplicitVRLittleEndian, sparse)).toEqual(uids);
    expect(await inspected(DeflatedExplicitVRLittleEndian, sparse.subarray(0, 5), sparse.subarray(5))).toEqual(uids);
  });

  it('is taken with bytes behind its last block', async () => {
    const deflated = deflateRawSync(objectOf(1_000));
    for (const padding of [1, 100_000])
      expect(await inspected(DeflatedExplicitVRLittleEndian, deflated, Buffer.alloc(padding))).toEqual(uids);
    expect(await inspected(DeflatedExplicitVRLittleEndian, Buffer.concat([deflated, Buffer.alloc(9)]))).toEqual(uids);
  });

  it('is refused where it is cut off, broken, or holds a dataset that is', async () => {
    const deflated = deflateRawSync(objectOf(100_000));
    const refused = async (...pieces: Uint8Array[]): Promise<void> => {
      await expect(inspected(DeflatedExplicitVRLittleEndian, ...pieces)).rejects.toMatchObject({
        code: 'dimse-ingest.unreadable-dataset',
      });
    };
    await refused(deflated.subarray(0, deflated.length - 2));
    await refused(deflated.subarray(0, 40), Buffer.alloc(90_000, 0xff), deflated.subarray(40));
    await refused(deflateRawSync(objectOf(1_000).subarray(0, 900)));
    await refused();
  });

  it('that inflates past what any reader takes is refused, and everybody else goes on meanwhile', async () => {
    // Of a block's repetitions: a piece that ends at a byte.
    const piece = deflateRawSync(Buffer.alloc(mebibyte), { finishFlush: 2 });
    const begin = objectOf(4).subarray(0, -8);
    const head = Buffer.concat([begin, Buffer.from('ffffff7f', 'hex')]);
    const pieces = Array.from({ length: defaultParseLimits.inflatedBytesMax / mebibyte + 1 }, () => piece);
    const bomb = Buffer.concat([deflateRawSync(head, { finishFlush: 2 }), ...pieces]);
    let refused: unknown;
    const work = inspected(DeflatedExplicitVRLittleEndian, bomb).catch((error: unknown) => (refused = error));
    expect(await turnsOf(work)).toBeGreaterThan(defaultParseLimits.inflatedBytesMax / mebibyte);
    expect(String(refused)).toContain('inflates past its limit');
  });
});
