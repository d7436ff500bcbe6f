import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { imaging } from '@callosum/contracts';
import type { DicomJson } from '@callosum/dicom';
import { testDataPath } from '@callosum/testing';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { blobs, ledger, reads, slice, store, uid } from './test-support/objects.js';
import { clearIndex, collect, database, find, grpc, index, send, useIndex } from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

describe('an unreadable object', () => {
  it('is refused for good, so that its event is parked', async () => {
    const stored = store(slice('s', 'a', 1));
    blobs.set(stored.blob.key, new Uint8Array(stored.blob.byteCount));
    await expect(index(stored)).rejects.toMatchObject({ code: 'dicom.unparsable', retriable: false });
  });

  it('is refused when it is another instance than announced', async () => {
    const stored = store(slice('s', 'a', 1));
    await expect(index({ ...stored, sopInstanceUid: uid('other') })).rejects.toMatchObject({
      code: 'study-index.instance-mismatch',
    });
  });

  it('is indexed though text in it is broken: NUL and half characters', async () => {
    await send(slice('s', 'a', 1, { SeriesDescription: 'ax\0ial', PatientComments: 'x\ud800y' }));
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series).toHaveLength(1);
  });
});

describe('gRPC', () => {
  it('gives metadata without pixels and locates native frames', async () => {
    await send(slice('s', 'a', 2));
    await send(slice('s', 'a', 1));
    const request = { studyInstanceUid: uid('s'), seriesInstanceUid: '', sopInstanceUid: '' };
    const metadata = await collect(grpc().streamMetadata(request));
    expect(metadata.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual([uid('s/a/1'), uid('s/a/2')]);
    const first = JSON.parse(metadata[0]?.dicomJson ?? '{}') as DicomJson;
    expect(first['7FE00010']).toEqual({
      vr: 'OW',
      BulkDataURI: `/dicom-web/studies/${uid('s')}/series/${uid('s/a')}/instances/${uid('s/a/1')}/bulkdata/7FE00010`,
    });
    const [located] = await collect(grpc().locateInstances({ ...request, withoutPixelData: false }));
    const blob = blobs.get(located?.instance?.blob?.key ?? '');
    const { nativeOffset = 0n, nativeFrameBytes = 0n } = located?.pixelData ?? {};
    expect(blob?.subarray(Number(nativeOffset), Number(nativeOffset + nativeFrameBytes))).toEqual(Buffer.alloc(32, 1));
    expect(located?.instance).toMatchObject({
      hasRescale: true,
      imagePositionPatient: [0, 0, 2.5],
      sliceThickness: 2.5,
    });
  });

  it('locates whole blobs without the layout of their pixels, and does not read it', async () => {
    for (let number = 1; number <= 3; number++) await send(slice('s', 'a', number));
    // Of a slide image it is tens of MiB: it may not be read at all, not only not be sent.
    await sql`update instance set pixel_data = '{"frames": 1}'::jsonb`.execute(database.db);
    const scope = { studyInstanceUid: uid('s'), seriesInstanceUid: '', sopInstanceUid: '' };
    const located = await collect(grpc().locateInstances({ ...scope, withoutPixelData: true }));
    expect(located.map(({ instance }) => instance?.sopInstanceUid)).toEqual(
      [1, 2, 3].map((number) => uid(`s/a/${number}`)),
    );
    expect(located.every(({ instance }) => blobs.has(instance?.blob?.key ?? ''))).toBe(true);
    expect(located.map(({ pixelData }) => pixelData)).toEqual([undefined, undefined, undefined]);
    const nowhere = { ...scope, studyInstanceUid: '1.2.3', withoutPixelData: true };
    await expect(collect(grpc().locateInstances(nowhere))).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('says a number only where the object has one, and 0 where it is 0', async () => {
    await send(slice('s', 'a', 1, { InstanceNumber: undefined, SeriesNumber: undefined }));
    await send(slice('s', 'b', 2, { InstanceNumber: '0', SeriesNumber: '0' }));
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series.map(({ seriesNumber, instances }) => [seriesNumber, instances[0]?.instanceNumber])).toEqual([
      [0, 0],
      [undefined, undefined],
    ]);
  });

  it('says what is not there and what is no UID', async () => {
    await expect(grpc().getStudy({ studyInstanceUid: '1.2.3' })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(grpc().getStudy({ studyInstanceUid: 'x' })).rejects.toMatchObject({ kind: 'invalid' });
    const nowhere = { studyInstanceUid: '1.2.3', seriesInstanceUid: '', sopInstanceUid: '' };
    await expect(collect(grpc().streamMetadata(nowhere))).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('reads the header only, not the pixels', async () => {
    await send(slice('s', 'a', 1, { Rows: 2048, Columns: 2048, PixelData: new Uint8Array(2048 * 2048 * 2) }));
    expect(reads.reduce((sum, count) => sum + count, 0)).toBeLessThan(64 * 1024);
  });
});

const folders = ['ct-chest', 'wsi-small', 'us', 'mr-t1', 'ecg'].flatMap((name) => testDataPath('studies', name) ?? []);
describe.skipIf(folders.length === 0)('real studies', () => {
  it.each(folders)('are indexed with frames where they are: %s', async (folder) => {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
      .filter((bytes) => bytes.subarray(128, 132).toString('latin1') === 'DICM')
      .slice(0, 40);
    const stored = files.map((bytes) => store(bytes));
    for (const one of stored) await index(one);
    const found = await find({ level: imaging.QueryLevel.QUERY_LEVEL_STUDY });
    const counted = found.reduce((sum, study) => sum + Number(study['00201208']?.Value?.[0]), 0);
    expect(counted).toBe(ledger.size);
    const located: imaging.LocateInstancesResponse[] = [];
    for (const studyInstanceUid of new Set(stored.map((one) => one.studyInstanceUid))) {
      located.push(
        ...(await collect(
          grpc().locateInstances({
            studyInstanceUid,
            seriesInstanceUid: '',
            sopInstanceUid: '',
            withoutPixelData: false,
          }),
        )),
      );
    }
    expect(located).toHaveLength(ledger.size);
    for (const { instance, pixelData } of located) {
      if (!pixelData) continue;
      const size = BigInt(instance?.blob?.byteCount ?? 0n);
      if (pixelData.encapsulated) expect(pixelData.frames).toHaveLength(instance?.numberOfFrames ?? 0);
      const end = pixelData.encapsulated
        ? (pixelData.frames.at(-1)?.fragments?.at(-1)?.offset ?? 0n)
        : (pixelData.nativeOffset ?? 0n) + BigInt(instance?.numberOfFrames ?? 0) * (pixelData.nativeFrameBytes ?? 0n);
      expect(end).toBeGreaterThan(0n);
      expect(end).toBeLessThanOrEqual(size);
    }
  });
});
