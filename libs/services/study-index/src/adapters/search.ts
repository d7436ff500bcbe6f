import { asPrepared } from '@callosum/database';
import { personName, type QueryKey as Key } from '@callosum/dicom';
import { type Kysely, sql } from 'kysely';

import type { SearchPage, SearchPosition, SearchQuery, SearchStore } from '../application/search.js';
import type { SearchRow } from '../application/search-answer.js';
import { SearchTooBroadError } from '../domain/errors.js';
import type { DicomJson } from '../domain/instance.js';
import type { Level } from '../domain/keys.js';
import { endedBy } from './ended-by.js';
import { isBroad, isOfOneStudy } from './search-breadth.js';
import { RareText } from './rare-text.js';
import { conditionSql, isDecided } from './search-conditions.js';
import { ofPatient, type Sql } from './search-fields.js';
import { SearchTurns } from './search-turns.js';
import { type At, orderOf, placeColumns, placeOrderOf, positionColumns, sectionsAfter } from './search-order.js';
import { bytesOf, pageBytesMax } from './search-size.js';
import type { StudyIndexTables } from './tables.js';

interface FoundRow {
  study_instance_uid: string;
  patient_id: string;
  issuer_of_patient_id: string;
  patient_name: string;
  patient_birth_date: string;
  patient_sex: string;
  inconsistent: boolean;
  modalities: string[];
  series_count: number;
  study_instance_count: number;
  study_attributes: DicomJson;
  sop_class_uids?: string[];
  patient_studies?: number;
  patient_series?: number;
  patient_instances?: number;
  series_instance_uid?: string;
  series_instance_count?: number;
  series_attributes?: DicomJson;
  sop_instance_uid?: string;
  metadata?: DicomJson;
  at_date: string | null;
  at_series_number?: number | null;
  at_instance_number?: number | null;
}

const turnsLimits = {
  /** Half of a pool's connections: however long searches look, indexing goes on. */
  most: 4,
  /** Who asks for one study or patient does not wait until broad ones end. */
  broadMost: 2,
  /** More would fill the doors, which hold a request each, and then nobody finds anything. */
  broadWaitingMax: 32,
  /** Twice what a statement may take: of those that one asker has, one ends before. */
  waitMsMax: 60_000,
};
/** query_canceled: the statement timeout. */
const statementCanceled = '57014';

type Db = Kysely<StudyIndexTables>;

/** The search of the index in SQL; each page is a statement or a few of their own. */
export class PostgresSearchStore implements SearchStore {
  private readonly rareText = new RareText();

  constructor(
    private readonly db: Kysely<StudyIndexTables>,
    private readonly turns = new SearchTurns(turnsLimits),
  ) {}

  decides(key: Key): boolean {
    return isDecided(key);
  }

  page(
    query: SearchQuery,
    { after, limit, offset }: { after?: SearchPosition; limit: number; offset: number },
    signal?: AbortSignal,
  ): Promise<SearchPage> {
    const askedAt = performance.now();
    const work = async (): Promise<SearchPage> => {
      const waitedMs = performance.now() - askedAt;
      const sections = after ? sectionsOf(query, after as At) : [sql`true`];
      const { rows, isCut } = await endedBy(this.db, signal, async (db, mark) => {
        const narrowing = await this.rareText.conditions(db, mark, query);
        const found: FoundRow[] = [];
        for (const section of sections) {
          signal?.throwIfAborted();
          const part = { where: [section, ...narrowing], limit: limit - found.length, offset };
          const rowsOf = () => this.rows(db, mark, query, part);
          // PostgreSQL takes longer to plan it than to find what there is.
          const { rows: more, isCut } = await (isOfOneStudy(query) ? asPrepared(rowsOf) : rowsOf());
          found.push(...more);
          if (isCut) return { rows: found, isCut };
        }
        return { rows: found, isCut: false };
      }).catch(asTooBroad);
      const last = isCut ? rows.at(-1) : undefined;
      return { rows: rows.map(toRow), waitedMs, ...(last && { next: positionOf(last) }) };
    };
    const asker = { asker: query.asker ?? '', isBroad: isBroad(query, offset), isFirst: after === undefined };
    return this.turns.run(asker, work, signal);
  }

  /** `isCut`: there may be more behind the last. */
  private async rows(
    db: Db,
    mark: Sql,
    query: SearchQuery,
    { where, limit, offset }: { where: readonly Sql[]; limit: number; offset: number },
  ): Promise<{ readonly rows: readonly FoundRow[]; readonly isCut: boolean }> {
    const conditions = [sql`st.instance_count > 0`, ...where, ...query.keys.map(conditionSql)];
    // A patient without a Patient ID is none that could be asked for by it (PS3.4 C.6.1.1.2): its studies are found as studies.
    if (query.level === 'patient') conditions.push(sql`st.patient_id <> ''`);
    const distinct =
      query.level === 'patient' && query.onePerPatient
        ? sql`distinct on (st.patient_id, st.issuer_of_patient_id)`
        : sql``;
    const page = sql`select ${distinct} ${placeColumns[query.level]}, ${bytesOf(query)} as bytes
      from ${tablesOf[query.level]}
      where ${sql.join(conditions, sql` and `)}
      order by ${orderOf[query.level]}
      limit ${limit} offset ${offset}`;
    // Sizes are known without what they are the sizes of, which is read of the rows that fit.
    const { rows } = await sql<FoundRow & { page_rows: number }>`${mark}
      select ${columnsOf(query)}, page_rows from (
        select page.*, row_number() over w as place, sum(bytes) over w as bytes_so_far,
          (count(*) over ())::integer as page_rows
        from (${page}) as page window w as (order by ${placeOrderOf[query.level]})) as sized
      ${placedTables[query.level]}
      where place = 1 or bytes_so_far <= ${pageBytesMax} order by place`.execute(db);
    const found = rows[0]?.page_rows ?? 0;
    return { rows, isCut: found >= limit || rows.length < found };
  }
}

/** Whichever of its statements takes too long, the search does. */
function asTooBroad(error: unknown): never {
  if ((error as { code?: unknown } | null)?.code === statementCanceled) throw new SearchTooBroadError({ cause: error });
  throw error;
}

/** Where each patient is one row, the patient's other rows do not come after it. */
const sectionsOf = (query: SearchQuery, at: At): Sql[] =>
  query.level === 'patient' && query.onePerPatient
    ? sectionsAfter('patient', at).slice(-2)
    : sectionsAfter(query.level, at);

const studyColumns = sql`st.study_instance_uid, st.patient_id, st.issuer_of_patient_id, st.patient_name,
  st.patient_birth_date, st.patient_sex, st.inconsistent, st.modalities, st.series_count, st.instance_count as study_instance_count, st.attributes as study_attributes`;
const seriesColumns = sql`se.series_instance_uid, se.instance_count as series_instance_count, se.attributes as series_attributes`;
const seriesTables = sql`study st join series se using (study_instance_uid)`;
const tablesOf: Readonly<Record<Level, Sql>> = {
  patient: sql`study st`,
  study: sql`study st`,
  series: seriesTables,
  instance: sql`${seriesTables} join instance i using (study_instance_uid, series_instance_uid)`,
};
/**
 * The rows again that a page has places of. Each is looked up by itself: a join could be one that reads a table from end to
 * end.
 */
const placedStudy = sql`cross join lateral (select * from study
  where study_instance_uid = sized.study_instance_uid limit 1) as st`;
const placedSeries = sql`${placedStudy} cross join lateral (select * from series
  where study_instance_uid = sized.study_instance_uid and series_instance_uid = sized.series_instance_uid limit 1) as se`;
const placedTables: Readonly<Record<Level, Sql>> = {
  patient: placedStudy,
  study: placedStudy,
  series: placedSeries,
  instance: sql`${placedSeries} cross join lateral (select * from instance
    where sop_instance_uid = sized.sop_instance_uid limit 1) as i`,
};

function columnsOf({ level, tags, withSopClasses, withPatientCounts }: SearchQuery): Sql {
  const columns = [studyColumns, positionColumns[level]];
  if (withSopClasses) columns.push(sopClassesColumn);
  if (withPatientCounts) columns.push(patientColumns);
  if (level === 'series' || level === 'instance') columns.push(seriesColumns);
  if (level === 'instance') columns.push(sql`i.sop_instance_uid, ${metadataColumn(tags)} as metadata`);
  return sql.join(columns, sql`, `);
}

const sopClassesColumn = sql`array(select distinct x.sop_class_uid from instance x
  where x.study_instance_uid = st.study_instance_uid order by 1) as sop_class_uids`;
const patientColumns = sql`${ofPatient(sql`count(*)`)} as patient_studies,
  ${ofPatient(sql`sum(p.series_count)`)} as patient_series, ${ofPatient(sql`sum(p.instance_count)`)} as patient_instances`;

/** The metadata of an enhanced object is megabytes; what is asked for of it is not. */
const metadataColumn = (tags: SearchQuery['tags']): Sql =>
  tags === 'all'
    ? sql`i.metadata`
    : sql`(select coalesce(jsonb_object_agg(one.key, one.value), '{}') from jsonb_each(i.metadata) as one
        where one.key = any(${tags}))`;

/**
 * Whose study it is, as its row has it from all of its instances: what keys are matched by is what is answered, also where
 * the instance that stands for the study says less. Where they contradict each other that instance speaks for itself: the
 * row says the same, but for one of a version that took each attribute from another instance.
 */
function patientOf(row: FoundRow): DicomJson {
  if (row.inconsistent) return {};
  return {
    ...(row.patient_name && { '00100010': { vr: 'PN', Value: [personName(row.patient_name)] } }),
    ...(row.patient_id && { '00100020': { vr: 'LO', Value: [row.patient_id] } }),
    ...(row.issuer_of_patient_id && { '00100021': { vr: 'LO', Value: [row.issuer_of_patient_id] } }),
    ...(row.patient_birth_date && { '00100030': { vr: 'DA', Value: [row.patient_birth_date] } }),
    ...(row.patient_sex && { '00100040': { vr: 'CS', Value: [row.patient_sex] } }),
  };
}

function toRow(row: FoundRow): SearchRow {
  return {
    study: {
      studyInstanceUid: row.study_instance_uid,
      patientKey: JSON.stringify([row.patient_id, row.issuer_of_patient_id]),
      patientName: row.patient_name,
      modalities: row.modalities,
      seriesCount: row.series_count,
      instanceCount: row.study_instance_count,
      attributes: { ...row.study_attributes, ...patientOf(row) },
      ...(row.sop_class_uids && { sopClassUids: row.sop_class_uids }),
      ...(row.patient_studies !== undefined && {
        ofPatient: {
          studies: row.patient_studies,
          series: row.patient_series ?? 0,
          instances: row.patient_instances ?? 0,
        },
      }),
    },
    ...(row.series_attributes && {
      series: { instanceCount: row.series_instance_count ?? 0, attributes: row.series_attributes },
    }),
    ...(row.metadata && { metadata: row.metadata }),
  };
}

const positionOf = (row: FoundRow): At => ({
  patient: row.patient_id,
  issuer: row.issuer_of_patient_id,
  date: row.at_date,
  study: row.study_instance_uid,
  seriesNumber: row.at_series_number ?? null,
  series: row.series_instance_uid ?? '',
  instanceNumber: row.at_instance_number ?? null,
  instance: row.sop_instance_uid ?? '',
});
