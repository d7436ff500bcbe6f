import type { imaging } from '@callosum/contracts';
import { isDeflated, leftOutBytesMin } from '@callosum/dicom';
import type { DeflatedPiece } from '@callosum/gzip';
import { type Kysely, sql } from 'kysely';

import type { InstanceScope } from '../application/queries.js';
import { piecesOf } from '../domain/metadata-text.js';
import { imageOfMetadata } from './image-pixel.js';
import { fittingPage, inInstanceOrder, type InstancePosition, pagesOf } from './instance-pages.js';
import { type PiecesOfRow, piecesVersion, readPieces, storedPieces } from './stored-pieces.js';
import type { StudyIndexTables } from './tables.js';

/** Rows of a page at most: as many as most series have, so that they are sorted and asked for once. */
const pageRows = 500;

/** An older replica that corrects a row leaves the pieces of the blob before it. */
const isOfItsBlob = sql`metadata_pieces_blob is not distinct from blob_key`;
/** The version is the first byte, and the others are left where they are. That takes as long as to read them: it is asked once. */
const arePiecesOfIt = sql`(${isOfItsBlob}
  and get_byte(substring(metadata_pieces from 1 for 1), 0) = ${sql.lit(piecesVersion)})`;

/** Bytes before Pixel Data are no more. A layout is left where it is when it is long, or the object itself has few bytes. */
const headerBytes = sql`(case
  when blob_bytes < ${sql.lit(leftOutBytesMin)} or pg_column_size(pixel_data) > 100000 then blob_bytes else
  least(blob_bytes, coalesce(nullif((pixel_data ->> 'nativeOffset')::bigint, 0), (pixel_data #>> '{frames,0,0,0}')::bigint))
  end)::double precision`;

interface FragmentRow extends InstancePosition {
  readonly blob_key: string;
  /** Of any version. */
  readonly pieces: Buffer | null;
  /** Null where there are pieces of this version. */
  readonly text: string | null;
  readonly transfer_syntax_uid: string;
  readonly header_bytes: number;
}

/** What was made of a row that had none. */
interface MadePieces {
  readonly sopInstanceUid: string;
  readonly blobKey: string;
  readonly pieces: readonly DeflatedPiece[];
  readonly isPartial: boolean | undefined;
}

/**
 * Metadata in pieces, cut where the base of a bulk data URI is to stand, in instance order. Rows without pieces have them
 * made of the text of jsonb, which is in ascending order of tags and is not parsed on the way; they are kept, so that who
 * opens the study again has them.
 */
export async function* fragmentsOf(
  db: Kysely<StudyIndexTables>,
  scope: InstanceScope,
): AsyncGenerator<imaging.MetadataFragment> {
  const pages = pagesOf((after) => {
    const page = inInstanceOrder(db, scope, after)
      .select(['series_instance_uid', 'sop_instance_uid', 'instance_number', 'blob_key'])
      .select(['metadata', 'metadata_pieces', 'metadata_pieces_blob'])
      .select(['blob_bytes', 'transfer_syntax_uid', 'pixel_data'])
      .select(sql<number>`pg_column_size(case when ${isOfItsBlob} then metadata_pieces end)`.as('bytes_of_pieces'))
      .select(sql<number>`pg_column_size(metadata)`.as('bytes_of_metadata'))
      .limit(pageRows);
    const columns = sql`series_instance_uid, sop_instance_uid, instance_number, blob_key,
      case when ${isOfItsBlob} then metadata_pieces end as pieces,
      case when ${arePiecesOfIt} then null else metadata::text end as text,
      transfer_syntax_uid, ${headerBytes} as header_bytes`;
    return fittingPage<FragmentRow>(db, page, {
      columns,
      bytes: sql`coalesce(bytes_of_pieces, bytes_of_metadata)`,
      rowsMax: pageRows,
    });
  });
  for await (const rows of pages) {
    const made: MadePieces[] = [];
    for (const row of rows) {
      const { pieces, text } = row;
      const isMade = text !== null || !pieces;
      const stored: PiecesOfRow = isMade ? { pieces: piecesOf(text ?? '{}') } : readPieces(pieces);
      const fragment = {
        sopInstanceUid: row.sop_instance_uid,
        blobKey: row.blob_key,
        pieces: [...stored.pieces],
        isPartial: stored.isPartial ?? (hasShortHeader(row) ? false : undefined),
      };
      if (isMade) made.push(fragment);
      yield { ...fragment, seriesInstanceUid: row.series_instance_uid };
    }
    // Where they cannot be kept they are made again: nobody is told.
    await keepPieces(db, made).catch(() => undefined);
  }
}

/** Rows of before say nothing of sequences that are left out: a short header has none. What is deflated may become long. */
const hasShortHeader = ({ transfer_syntax_uid: uid, header_bytes: byteCount }: FragmentRow): boolean =>
  !isDeflated(uid) && byteCount < leftOutBytesMin;

/**
 * Writes pieces of rows that are still of the blob they were made from; a row that somebody writes is left to him. How its
 * samples lie is written with them.
 */
async function keepPieces(db: Kysely<StudyIndexTables>, made: readonly MadePieces[]): Promise<void> {
  if (made.length === 0) return;
  await sql`
    with free as (
      select i.sop_instance_uid, m.pieces from instance i
      join unnest(${made.map(({ sopInstanceUid }) => sopInstanceUid)}::text[],
        ${made.map(({ blobKey }) => blobKey)}::text[], ${made.map(({ pieces, isPartial }) => storedPieces(pieces, isPartial))}::bytea[])
        as m (sop_instance_uid, blob_key, pieces)
        on i.sop_instance_uid = m.sop_instance_uid and i.blob_key = m.blob_key
      for update of i skip locked)
    update instance as i set metadata_pieces = free.pieces, metadata_pieces_blob = i.blob_key,
      image_pixel = ${imageOfMetadata}
    from free where i.sop_instance_uid = free.sop_instance_uid`.execute(db);
}
