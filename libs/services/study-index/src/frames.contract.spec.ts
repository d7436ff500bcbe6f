import type { Attributes } from '@callosum/dicom';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { blobs, multiFrame, slice, uid } from './test-support/objects.js';
import { clearIndex, collect, database, grpc, hidden, reindex, send, useIndex } from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

const scope = (series: string, instance: string) => ({
  studyInstanceUid: uid('s'),
  seriesInstanceUid: series,
  sopInstanceUid: instance,
});

/** The first byte of each frame tells its number. */
const manyFrames = (count: number, more: Attributes = {}): Uint8Array => {
  const frames = Array.from({ length: count }, (_, i) => new Uint8Array(4 + 2 * (i % 3)).fill((i + 1) % 251));
  return multiFrame('s', 'a', 1, frames, more);
};

describe('where frames are', () => {
  const frames = (series: string, instance: string, numbers: number[] = []) =>
    collect(grpc().locateFrames({ ...scope(series, instance), frames: numbers }));

  /** All that is said of s/a/1, which is sent first where bytes are given. */
  const framesOf = async (bytes?: Uint8Array) => {
    if (bytes) await send(bytes);
    return (await frames(uid('s/a'), uid('s/a/1'))).flatMap((message) => message.frames);
  };

  it('is said of native ones with how their samples lie', async () => {
    const more: Attributes = { NumberOfFrames: 2, PixelData: new Uint8Array(64).fill(1).fill(2, 32) };
    await send(slice('s', 'a', 1, more));
    const [located, ...others] = await frames(uid('s/a'), uid('s/a/1'), [2]);
    expect(others).toEqual([]);
    expect(located).toMatchObject({
      sopInstanceUid: uid('s/a/1'),
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      encapsulated: false,
      nativeFrameBytes: 32n,
      image: {
        rows: 4,
        columns: 4,
        frames: 2,
        samplesPerPixel: 1,
        bitsAllocated: 16,
        bitsStored: 16,
        pixelRepresentation: 1,
        planarConfiguration: 0,
        photometricInterpretation: 'MONOCHROME2',
      },
    });
    const begin = Number(located?.nativeOffset) + 32;
    expect(blobs.get(located?.blobKey ?? '')?.subarray(begin, begin + 32)).toEqual(Buffer.alloc(32, 2));
  });

  it('is nowhere of a value that is shorter than its frames: behind it are other elements', async () => {
    const padding = { DataSetTrailingPadding: new Uint8Array(64) };
    await send(slice('s', 'a', 1, { NumberOfFrames: 3, PixelData: new Uint8Array(64), ...padding }));
    await send(slice('s', 'a', 2, { PixelData: new Uint8Array(30), ...padding }));
    await send(slice('s', 'a', 3, { PixelData: new Uint8Array(32), ...padding }));
    const nowhere = { encapsulated: false, nativeOffset: 0n, nativeFrameBytes: 0n, image: { rows: 4 } };
    expect(await frames(uid('s/a'), uid('s/a/1'), [3])).toMatchObject([nowhere]);
    expect(await frames(uid('s/a'), '')).toMatchObject([nowhere, { nativeFrameBytes: 32n }]);
  });

  it('is nowhere of a native object that a version before has indexed, until it is indexed again', async () => {
    await send(slice('s', 'a', 1));
    const said = async () => (await frames(uid('s/a'), uid('s/a/1'), [1]))[0]?.nativeFrameBytes;
    expect(await said()).toBe(32n);
    await sql`update instance set pixel_data = pixel_data - 'nativeByteCount'`.execute(database.db);
    expect(await said()).toBe(0n);
    for await (const _ of reindex().run(0));
    expect(await said()).toBe(32n);
  });

  it('is said without a look at the metadata, which may be megabytes, but for a row of a version before', async () => {
    await send(slice('s', 'a', 1, { NumberOfFrames: 1, PlanarConfiguration: 0 }));
    await send(slice('s', 'a', 2, { NumberOfFrames: 2, PixelData: new Uint8Array(64) }));
    const run = (statement: ReturnType<typeof sql>) => statement.execute(database.db);
    const said = async () => [
      await frames(uid('s/a'), uid('s/a/1'), [1]),
      await frames(uid('s/a'), uid('s/a/2'), [2]),
      await frames(uid('s/a'), ''),
    ];
    const before = await said();
    expect(before[0]?.[0]?.image).toMatchObject({ rows: 4, frames: 1, photometricInterpretation: 'MONOCHROME2' });
    expect(before[2]?.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual([uid('s/a/1')]);
    await run(sql`alter table instance add column kept_metadata jsonb`);
    await run(sql`update instance set kept_metadata = metadata, metadata = '{}'`);
    expect(await said()).toEqual(before);
    await run(sql`update instance set metadata = kept_metadata, image_pixel = null`);
    await run(sql`alter table instance drop column kept_metadata`);
    expect(await said()).toEqual(before);
    // A replica of the version before corrects the row, and knows nothing of what stands beside the metadata.
    await run(sql`update instance set blob_key = 'another', image_pixel = '{"rows": 9, "columns": 9}'`);
    const images = (all: typeof before) => all.map((one) => one.map(({ image }) => image));
    expect(images(await said())).toEqual(images(before));
  });

  it('is said of the single-frame objects of a series, in its order', async () => {
    await send(slice('s', 'a', 2));
    await send(slice('s', 'a', 1, { NumberOfFrames: 1 }));
    await send(slice('s', 'a', 3, { NumberOfFrames: 2, PixelData: new Uint8Array(64) }));
    await send(slice('s', 'a', 4, { PixelData: undefined, Rows: undefined, Columns: undefined }));
    await send(slice('s', 'b', 1));
    const located = await frames(uid('s/a'), '');
    expect(located.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual([uid('s/a/1'), uid('s/a/2')]);
  });

  it('is said of an object with many frames from pages, whichever are asked for', async () => {
    const all = await framesOf(manyFrames(9_000));
    const { rows } = await sql<{ page: number; bytes: number }>`
      select page, length(ranges) as bytes from instance_frames order by page`.execute(database.db);
    expect(rows.map(({ page }) => page)).toEqual([0, 1, 2]);
    expect(all).toHaveLength(9_000);
    const numbers = [9_000, 1, 4_097, 4_096, 1, 9_001, 1_000_000];
    const [located, ...others] = await frames(uid('s/a'), uid('s/a/1'), numbers);
    expect(others).toEqual([]);
    expect(located).toMatchObject({ encapsulated: true, image: { frames: 9_000 } });
    expect(located?.frames).toEqual(numbers.map((number) => all[number - 1] ?? { fragments: [] }));
    // What a frame is said to be is one: its first byte is its number.
    const blob = blobs.get(located?.blobKey ?? '');
    for (const [at, number] of numbers.slice(0, 5).entries()) {
      const { offset = 0n } = located?.frames[at]?.fragments[0] ?? {};
      expect(blob?.[Number(offset)]).toBe(number % 251);
    }
    // The layout in the row is not read for it.
    await sql`update instance set pixel_data = '{"encapsulated": true, "nativeOffset": 0, "nativeFrameBytes": 0, "frames": []}'`.execute(
      database.db,
    );
    expect((await frames(uid('s/a'), uid('s/a/1'), [2]))[0]?.frames).toEqual([all[1]]);
  });

  it('is said from the row where pages are of another blob, or of a version that is not known', async () => {
    const all = await framesOf(manyFrames(300));
    for (const state of [
      sql`update instance_frames set ranges = set_byte(ranges, 0, 250)`,
      // As a replica of the version before corrects it.
      sql`update instance set blob_key = 'another'`,
    ]) {
      await state.execute(database.db);
      expect((await frames(uid('s/a'), uid('s/a/1'), [300, 1]))[0]?.frames).toEqual([all[299], all[0]]);
      expect(await framesOf()).toEqual(all);
    }
  });

  it('is said of a corrected object as it is now, and pages go with their row', async () => {
    await send(manyFrames(300));
    await send(manyFrames(5_000, { SeriesDescription: 'more' }), { revision: 2 });
    expect(await framesOf()).toHaveLength(5_000);
    await send(manyFrames(3, { SeriesDescription: 'few' }), { revision: 3 });
    expect(await framesOf()).toHaveLength(3);
    const left = async () =>
      (await sql<{ page: number }>`select page from instance_frames`.execute(database.db)).rows.length;
    expect(await left()).toBe(0);
    await send(manyFrames(300, { SeriesDescription: 'many' }), { revision: 4 });
    expect(await left()).toBe(1);
    await sql`delete from instance`.execute(database.db);
    expect(await left()).toBe(0);
  });

  it('is written into pages where a version before did not, by who asks first', async () => {
    const all = await framesOf(manyFrames(300));
    const pages = async () =>
      (
        await sql<{ same: boolean }>`select f.blob_key = i.blob_key as same
        from instance_frames f join instance i using (sop_instance_uid)`.execute(database.db)
      ).rows;
    await sql`truncate instance_frames`.execute(database.db);
    // While somebody writes the study nobody waits for him.
    await database.db.transaction().execute(async (trx) => {
      await sql`select from study for update`.execute(trx);
      expect((await frames(uid('s/a'), uid('s/a/1'), [300]))[0]?.frames).toEqual([all[299]]);
      expect(await pages()).toEqual([]);
    });
    expect((await frames(uid('s/a'), uid('s/a/1'), [300]))[0]?.frames).toEqual([all[299]]);
    expect(await pages()).toEqual([{ same: true }]);
    expect(await framesOf()).toEqual(all);
  });

  it('is written into pages by a reindex', async () => {
    const all = await framesOf(manyFrames(300));
    await sql`truncate instance_frames`.execute(database.db);
    expect(await framesOf()).toEqual(all);
    for await (const _ of reindex().run(0));
    const { rows } = await sql<{ same: boolean }>`
      select f.blob_key = i.blob_key as same from instance_frames f join instance i using (sop_instance_uid)`.execute(
      database.db,
    );
    expect(rows).toEqual([{ same: true }]);
    expect(await framesOf()).toEqual(all);
  });

  it('is nowhere of an object without pixels, which is no image', async () => {
    await send(slice('s', 'a', 4, { PixelData: undefined, Rows: undefined, Columns: undefined }));
    expect(await frames(uid('s/a'), uid('s/a/4'), [1])).toMatchObject([
      { image: undefined, encapsulated: false, nativeOffset: 0n, nativeFrameBytes: 0n, frames: [] },
    ]);
  });

  it('is not said of what the archive hides, or of what nobody knows', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 2));
    hidden.add(uid('s/a/1'));
    expect(await frames(uid('s/a'), uid('s/a/1'))).toEqual([]);
    expect((await frames(uid('s/a'), '')).map(({ sopInstanceUid }) => sopInstanceUid)).toEqual([uid('s/a/2')]);
    await expect(frames(uid('s/a'), '1.2.3')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(frames(uid('s/z'), '')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it.each<[string, number[]]>([
    ['more frames than one may ask for', Array.from({ length: 4_097 }, (_, i) => i + 1)],
    ['frame 0', [0]],
  ])('is not said of %s', async (_, numbers) => {
    await expect(frames(uid('s/a'), uid('s/a/1'), numbers)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('is not said of frames of a series', async () => {
    await expect(frames(uid('s/a'), '', [1])).rejects.toMatchObject({ kind: 'invalid' });
  });
});
