import type { QueryKey as Key } from '@callosum/dicom';
import { Turns } from '@callosum/kernel';
import { type DatabaseConnection, type Kysely, sql } from 'kysely';

import type { SearchPage, SearchPosition, SearchQuery, SearchStore } from '../application/search.js';
import type { SearchRow } from '../application/search-answer.js';
import { SearchTooBroadError } from '../domain/errors.js';
import type { DicomJson } from '../domain/instance.js';
import type { Level } from '../domain/keys.js';
import { conditionSql, isDecided } from './search-conditions.js';
import { ofPatient, type Sql } from './search-fields.js';
import { type At, orderOf, positionColumns, sectionsAfter } from './search-order.js';
import type { StudyIndexTables } from './tables.js';

interface FoundRow {
  study_instance_uid: string;
  patient_id: string;
  issuer_of_patient_id: string;
  patient_name: string;
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

/** Half of a pool's connections: however long searches look, indexing goes on. */
const pagesAtOnceMax = 4;
/** query_canceled: the statement timeout. */
const statementCanceled = '57014';

type Db = Kysely<StudyIndexTables>;

/** Of the connections of pools, which keep theirs: asked once each, not once a page. */
const processIds = new WeakMap<DatabaseConnection, number>();

async function processIdOf(db: Db): Promise<number | undefined> {
  return await db.getExecutor().provideConnection(async (connection) => {
    if (!processIds.has(connection)) {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
      if (rows[0]) processIds.set(connection, rows[0].pid);
    }
    return processIds.get(connection);
  });
}

/** Runs `work` on one connection; the signal ends its statement too, which would look on for nobody. */
async function endedBy<T>(db: Db, signal: AbortSignal | undefined, work: (db: Db) => Promise<T>): Promise<T> {
  if (!signal || db.isTransaction) return await work(db);
  return await db.connection().execute(async (connection) => {
    const processId = await processIdOf(connection);
    let ending: Promise<unknown> | undefined;
    const end = (): void => {
      // Where it cannot be ended, its timeout does.
      ending = sql`select pg_cancel_backend(${processId})`.execute(db).catch(() => undefined);
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      signal.throwIfAborted();
      return await work(connection);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', end);
      // The connection is another one's after this, and that one's statement must not be ended.
      await ending;
    }
  });
}

/** The search of the index in SQL; each page is a statement or a few of their own. */
export class PostgresSearchStore implements SearchStore {
  private readonly turns = new Turns(pagesAtOnceMax);

  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  decides(key: Key): boolean {
    return isDecided(key);
  }

  page(
    query: SearchQuery,
    { after, limit, offset }: { after?: SearchPosition; limit: number; offset: number },
    signal?: AbortSignal,
  ): Promise<SearchPage> {
    const askedAt = performance.now();
    return this.turns.run(async () => {
      const waitedMs = performance.now() - askedAt;
      const sections = after ? sectionsOf(query, after as At) : [sql`true`];
      const rows = await endedBy(this.db, signal, async (db) => {
        const found: FoundRow[] = [];
        for (const section of sections) {
          if (found.length >= limit) break;
          signal?.throwIfAborted();
          found.push(...(await this.rows(db, query, section, limit - found.length, offset)));
        }
        return found;
      });
      const last = rows.length >= limit ? rows.at(-1) : undefined;
      return { rows: rows.map(toRow), waitedMs, ...(last && { next: positionOf(last) }) };
    }, signal);
  }

  private async rows(db: Db, query: SearchQuery, section: Sql, limit: number, offset: number): Promise<FoundRow[]> {
    const conditions = [sql`st.instance_count > 0`, section, ...query.keys.map(conditionSql)];
    // A patient without a Patient ID is none that could be asked for by it (PS3.4 C.6.1.1.2): its studies are found as studies.
    if (query.level === 'patient') conditions.push(sql`st.patient_id <> ''`);
    const distinct =
      query.level === 'patient' && query.onePerPatient
        ? sql`distinct on (st.patient_id, st.issuer_of_patient_id)`
        : sql``;
    try {
      const { rows } = await sql<FoundRow>`
        select ${distinct} ${columnsOf(query)} from ${tablesOf[query.level]}
        where ${sql.join(conditions, sql` and `)}
        order by ${orderOf[query.level]}
        limit ${limit} offset ${offset}`.execute(db);
      return rows;
    } catch (error) {
      if ((error as { code?: unknown }).code === statementCanceled) throw new SearchTooBroadError({ cause: error });
      throw error;
    }
  }
}

/** Where each patient is one row, the patient's other rows do not come after it. */
const sectionsOf = (query: SearchQuery, at: At): Sql[] =>
  query.level === 'patient' && query.onePerPatient
    ? sectionsAfter('patient', at).slice(-2)
    : sectionsAfter(query.level, at);

const studyColumns = sql`st.study_instance_uid, st.patient_id, st.issuer_of_patient_id, st.patient_name, st.modalities,
  st.series_count, st.instance_count as study_instance_count, st.attributes as study_attributes`;
const seriesColumns = sql`se.series_instance_uid, se.instance_count as series_instance_count, se.attributes as series_attributes`;
const seriesTables = sql`study st join series se using (study_instance_uid)`;
const tablesOf: Readonly<Record<Level, Sql>> = {
  patient: sql`study st`,
  study: sql`study st`,
  series: seriesTables,
  instance: sql`${seriesTables} join instance i using (study_instance_uid, series_instance_uid)`,
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
 * the instance that stands for the study says less.
 */
function patientOf({ patient_id, issuer_of_patient_id, patient_name, study_attributes }: FoundRow): DicomJson {
  const [Alphabetic = '', Ideographic = '', Phonetic = ''] = patient_name.split('=');
  const name = { Alphabetic, ...(Ideographic && { Ideographic }), ...(Phonetic && { Phonetic }) };
  return {
    ...(patient_name && !study_attributes['00100010']?.Value && { '00100010': { vr: 'PN', Value: [name] } }),
    ...(patient_id && { '00100020': { vr: 'LO', Value: [patient_id] } }),
    ...(issuer_of_patient_id && { '00100021': { vr: 'LO', Value: [issuer_of_patient_id] } }),
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
