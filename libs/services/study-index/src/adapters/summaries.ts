import { type RawBuilder, sql, type Transaction, type UpdateObject } from 'kysely';

import type { DicomJson } from '../domain/instance.js';
import { seriesLevel, studyLevel } from '../domain/levels.js';
import { jsonColumn } from './json-column.js';
import { updateWithText } from './study-text.js';
import type { StudyIndexTables } from './tables.js';

/**
 * Attributes of a study or series come from one representative instance: the source instance stored first, and only
 * where there is none an instance Callosum issued. That choice depends on what is stored, not on the order in which
 * events were handled, so a rebuilt index holds the same.
 */
const representative = (trx: Transaction<StudyIndexTables>, studyInstanceUid: string) =>
  trx
    .selectFrom('instance')
    .where('study_instance_uid', '=', studyInstanceUid)
    .orderBy('issued_by_callosum')
    .orderBy('stored_at')
    .orderBy('sop_instance_uid')
    .limit(1);

const metadataOf = async (trx: Transaction<StudyIndexTables>, sopInstanceUid: string): Promise<DicomJson> =>
  (
    await trx
      .selectFrom('instance')
      .select('metadata')
      .where('sop_instance_uid', '=', sopInstanceUid)
      .executeTakeFirstOrThrow()
  ).metadata;

/** @param force reads attributes again though the representative's bytes are the same: the reader may be newer */
export async function refreshSeries(
  trx: Transaction<StudyIndexTables>,
  studyUid: string,
  seriesUid: string,
  force: boolean,
): Promise<void> {
  const numbers = {
    instance_count: countOf(studyUid, seriesUid, sql``),
    source_instance_count: countOf(studyUid, seriesUid, sql`and not issued_by_callosum`),
  };
  const representativeOfSeries = representative(trx, studyUid).where('series_instance_uid', '=', seriesUid);
  if (!force) {
    // Most instances of a series change nothing but its counts: one statement.
    const { numUpdatedRows } = await trx
      .updateTable('series')
      .set(numbers)
      .where('study_instance_uid', '=', studyUid)
      .where('series_instance_uid', '=', seriesUid)
      .where('representative_sha256', '=', representativeOfSeries.select('blob_sha256'))
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return;
  }
  const first = await representativeOfSeries.select(['sop_instance_uid', 'blob_sha256']).executeTakeFirst();
  if (!first) {
    await trx
      .deleteFrom('series')
      .where('study_instance_uid', '=', studyUid)
      .where('series_instance_uid', '=', seriesUid)
      .execute();
    return;
  }
  const level = seriesLevel(await metadataOf(trx, first.sop_instance_uid));
  const values = {
    ...numbers,
    modality: level.modality,
    series_number: level.seriesNumber,
    series_description: level.seriesDescription,
    body_part_examined: level.bodyPartExamined,
    laterality: level.laterality,
    frame_of_reference_uid: level.frameOfReferenceUid,
    series_date: level.seriesDate,
    series_time_key: level.seriesTimeKey,
    pps_start_date: level.ppsStartDate,
    representative_sha256: first.blob_sha256,
    attributes: jsonColumn(level.attributes),
  };
  await trx
    .insertInto('series')
    .values({ study_instance_uid: studyUid, series_instance_uid: seriesUid, ...values })
    .onConflict((on) => on.columns(['study_instance_uid', 'series_instance_uid']).doUpdateSet(values))
    .execute();
}

const countOf = (studyUid: string, seriesUid: string, which: RawBuilder<unknown>) =>
  sql<number>`(select count(*) from instance
    where study_instance_uid = ${studyUid} and series_instance_uid = ${seriesUid} ${which})`;

/** Of a study whose instances are all gone or withheld: its row keeps its revision, and nothing of the examination. */
const nothingLeft = {
  representative_sha256: '',
  study_date: null,
  study_time_key: null,
  accession_number: '',
  study_id: '',
  study_description: '',
  referring_name_key: '',
  attributes: '{}',
};

/** Writes `own` and everything of the study's row that follows from its instances. */
export async function refreshStudy(
  trx: Transaction<StudyIndexTables>,
  studyUid: string,
  own: UpdateObject<StudyIndexTables, 'study'>,
  force: boolean,
): Promise<void> {
  const values = {
    ...own,
    series_count: sql<number>`(select count(*) from series s where s.study_instance_uid = study.study_instance_uid)`,
    instance_count: sql<number>`(select coalesce(sum(s.instance_count), 0) from series s where s.study_instance_uid = study.study_instance_uid)`,
    modalities: sql<
      string[]
    >`(select coalesce(array_agg(distinct s.modality order by s.modality) filter (where s.modality <> ''), '{}')
      from series s where s.study_instance_uid = study.study_instance_uid)`,
  };
  if (!force) {
    // As for the series: its attributes come from an instance that nearly never changes.
    const representativeSha256 = representative(trx, studyUid).select('blob_sha256');
    const isSame = sql<boolean>`study.study_instance_uid = ${studyUid}
      and study.representative_sha256 = (${representativeSha256})`;
    if ((await updateWithText(trx, values, isSame)) > 0) return;
  }
  const first = await representative(trx, studyUid)
    .select(['sop_instance_uid', 'blob_sha256', 'source', 'stored_at'])
    .executeTakeFirst();
  const level = first && studyLevel(await metadataOf(trx, first.sop_instance_uid));
  const all = {
    ...values,
    ...(level
      ? {
          source: first.source,
          first_stored_at: first.stored_at,
          representative_sha256: first.blob_sha256,
          study_date: level.studyDate,
          study_time_key: level.studyTimeKey,
          accession_number: level.accessionNumber,
          study_id: level.studyId,
          study_description: level.studyDescription,
          referring_name_key: level.referringNameKey,
          attributes: jsonColumn(level.attributes),
        }
      : nothingLeft),
  };
  await updateWithText(trx, all, sql<boolean>`study.study_instance_uid = ${studyUid}`);
}
