import type { imaging } from '@callosum/contracts';
import { type Kysely, sql } from 'kysely';

import type { InstanceScope, LocatedObject, SeriesScope } from '../application/queries.js';
import type { ImageValues } from '../domain/image-pixel.js';
import type { FrameFragments, StoredPixelLayout } from '../domain/instance.js';
import { framePages, type FramePages, framesOfPages, keepFrames } from './frame-pages.js';
import { imageColumn } from './image-pixel.js';
import type { StudyIndexTables } from './tables.js';

interface ObjectRow {
  readonly sop_instance_uid: string;
  readonly blob_key: string;
  readonly transfer_syntax_uid: string;
  readonly pixel_data: StoredPixelLayout | null;
  readonly image: ImageValues;
}

/** Frames of one list, where they are all asked for. */
const listedAtOnce = 4_096;

/**
 * Where frames of an instance are; undefined when it is not indexed.
 * @param numbers from 1; empty: all
 */
export async function framesOfInstance(
  db: Kysely<StudyIndexTables>,
  scope: Required<InstanceScope>,
  numbers: readonly number[],
): Promise<LocatedObject | undefined> {
  // The layout of all frames is left where it is when there are pages of them.
  const { rows } = await sql<ObjectRow & FramePages>`
    select ${objectColumns}, case when p.pages is null then i.pixel_data end as pixel_data, p.*
    from instance i, ${imageOfInstance} m, lateral ${framePages(numbers)} p
    where ${isInstance(scope)}`.execute(db);
  const [row] = rows;
  if (!row) return undefined;
  if (row.pages === null) {
    // Where it cannot be kept it is read from the row again: nobody is told.
    await keepFrames(db, scope, row.blob_key, row.pixel_data).catch(() => undefined);
    return locatedOf(row, numbers);
  }
  const frames = framesOfPages(row, numbers);
  if (frames) return { ...locatedOf(row, numbers), layout: encapsulated, frames };
  const [unpaged] = (
    await sql<ObjectRow>`select ${objectColumns}, i.pixel_data from instance i, ${imageOfInstance} m
      where ${isInstance(scope)}`.execute(db)
  ).rows;
  return unpaged && locatedOf(unpaged, numbers);
}

/** What has pages. */
const encapsulated = { encapsulated: true, nativeOffset: 0, nativeFrameBytes: 0 };

/** Where the frame of each single-frame object of a series is, in instance order. */
export async function singleFrames(
  db: Kysely<StudyIndexTables>,
  { studyInstanceUid, seriesInstanceUid }: SeriesScope,
  limit: number,
): Promise<LocatedObject[]> {
  const { rows } = await sql<ObjectRow>`
    select ${objectColumns}, i.pixel_data from instance i, ${imageOfInstance} m
    where i.study_instance_uid = ${studyInstanceUid} and i.series_instance_uid = ${seriesInstanceUid}
      and jsonb_typeof(i.pixel_data) = 'object' and coalesce(m.image ->> 'frames', '1') = '1'
    order by coalesce(i.instance_number, 2147483648), i.sop_instance_uid
    limit ${limit}`.execute(db);
  return rows.map((row) => locatedOf(row, []));
}

const isInstance = ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: Required<InstanceScope>) =>
  sql`i.sop_instance_uid = ${sopInstanceUid} and i.study_instance_uid = ${studyInstanceUid}
    and i.series_instance_uid = ${seriesInstanceUid}`;

/** Worked out once for each row. */
const imageOfInstance = sql`lateral (select ${imageColumn} as image offset 0)`;
const objectColumns = sql`i.sop_instance_uid, i.blob_key, i.transfer_syntax_uid, m.image`;

function locatedOf(row: ObjectRow, numbers: readonly number[]): LocatedObject {
  const layout = row.pixel_data;
  return {
    sopInstanceUid: row.sop_instance_uid,
    blobKey: row.blob_key,
    transferSyntaxUid: row.transfer_syntax_uid,
    image: imageOf(row.image),
    layout,
    frames: layout?.encapsulated ? listsOf(layout.frames, numbers) : [],
  };
}

function* listsOf(all: readonly FrameFragments[], numbers: readonly number[]): Generator<readonly FrameFragments[]> {
  if (numbers.length > 0) yield numbers.map((number) => all[number - 1] ?? []);
  else for (let from = 0; from < all.length; from += listedAtOnce) yield all.slice(from, from + listedAtOnce);
}

/** Undefined without Rows and Columns, which every image has (Type 1). */
function imageOf(values: ImageValues): imaging.ImagePixel | undefined {
  const image: imaging.ImagePixel = {
    rows: count(values.rows, 0),
    columns: count(values.columns, 0),
    frames: count(values.frames, 1),
    samplesPerPixel: count(values.samples, 1),
    bitsAllocated: count(values.allocated, 0),
    bitsStored: count(values.stored, 0),
    pixelRepresentation: count(values.representation, 0),
    planarConfiguration: count(values.planar, 0),
    photometricInterpretation: typeof values.photometric === 'string' ? values.photometric : '',
  };
  return image.rows > 0 && image.columns > 0 ? image : undefined;
}

/** A number that a uint32 holds; broken objects have others. */
function count(value: unknown, absent: number): number {
  if (value === null || value === '') return absent;
  const number = Number(value);
  return Number.isInteger(number) && number >= 0 && number < 2 ** 32 ? number : absent;
}
