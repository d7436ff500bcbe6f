import { type Kysely, type RawBuilder, sql } from 'kysely';

import type { SearchQuery, SearchStore } from '../application/search.js';
import type { DicomJson } from '../domain/instance.js';
import type { Condition } from '../domain/match.js';
import { type SearchField, searchFields } from './search-fields.js';
import type { StudyIndexTables } from './tables.js';

type Sql = RawBuilder<unknown>;

interface FoundRow {
  study_instance_uid: string;
  modalities: string[];
  series_count: number;
  study_instance_count: number;
  study_attributes: DicomJson;
  series_instance_uid?: string;
  series_instance_count?: number;
  series_attributes?: DicomJson;
  metadata?: DicomJson;
}

/** QIDO-RS matching in SQL: every value is a parameter, and each condition on a common key meets an index. */
export class PostgresSearchStore implements SearchStore {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  async search(query: SearchQuery) {
    const conditions: Sql[] = [sql`st.instance_count > 0`];
    for (const { tag, condition } of query.conditions) conditions.push(toSql(fieldOf(tag, query.level), condition));
    const { rows } = await sql<FoundRow>`
      select ${columnsOf[query.level]} from ${tablesOf[query.level]}
      where ${sql.join(conditions, sql` and `)}
      order by ${orderOf[query.level]}
      limit ${query.limit} offset ${query.offset}`.execute(this.db);
    return rows.map((row) => ({
      study: {
        studyInstanceUid: row.study_instance_uid,
        modalities: row.modalities,
        seriesCount: row.series_count,
        instanceCount: row.study_instance_count,
        attributes: row.study_attributes,
      },
      ...(row.series_instance_uid !== undefined && row.series_attributes
        ? { series: { instanceCount: row.series_instance_count ?? 0, attributes: row.series_attributes } }
        : {}),
      ...(row.metadata ? { metadata: row.metadata } : {}),
    }));
  }
}

const studyColumns = sql`st.study_instance_uid, st.modalities, st.series_count, st.instance_count as study_instance_count,
  st.attributes as study_attributes`;
const seriesColumns = sql`${studyColumns}, se.series_instance_uid, se.instance_count as series_instance_count, se.attributes as series_attributes`;
const columnsOf = { study: studyColumns, series: seriesColumns, instance: sql`${seriesColumns}, i.metadata` };
const seriesTables = sql`study st join series se using (study_instance_uid)`;
const tablesOf = {
  study: sql`study st`,
  series: seriesTables,
  instance: sql`${seriesTables} join instance i using (study_instance_uid, series_instance_uid)`,
};
// UIDs end every order, so that pages neither repeat nor skip a row.
const studyOrder = sql`st.study_date desc nulls last, st.study_instance_uid`;
const seriesOrder = sql`${studyOrder}, se.series_number nulls last, se.series_instance_uid`;
const orderOf = {
  study: studyOrder,
  series: seriesOrder,
  instance: sql`${seriesOrder}, i.instance_number nulls last, i.sop_instance_uid`,
};

/** A key with a column of its own, else the attribute as stored at the level asked for or above. */
function fieldOf(tag: string, level: SearchQuery['level']): SearchField {
  const known = searchFields[tag];
  if (known) return known;
  const values = (dataset: Sql): Sql => sql`${dataset} -> ${tag}::text -> 'Value' ->> 0`;
  const stored = {
    study: values(sql`st.attributes`),
    series: sql`coalesce(${values(sql`se.attributes`)}, ${values(sql`st.attributes`)})`,
    instance: values(sql`i.metadata`),
  };
  return { columns: [stored[level]] };
}

function toSql(field: SearchField, condition: Condition): Sql {
  const any = field.columns.map((column, i) => {
    const matches = compare(column, condition, field.isArray ?? false);
    // Most names have no ideographic and no phonetic group; saying so lets the indexes of those that have one be used.
    return i === 0 ? sql`(${matches})` : sql`(${column} <> '' and ${matches})`;
  });
  return sql`(${sql.join(any, sql` or `)})`;
}

function compare(column: Sql, condition: Condition, isArray: boolean): Sql {
  switch (condition.kind) {
    case 'equal':
      if (isArray) return sql`${column} && ${condition.values}::text[]`;
      return condition.values.length === 1
        ? sql`${column} = ${condition.values[0]}`
        : sql`${column} = any(${condition.values})`;
    case 'like':
      if (isArray)
        return sql`exists (select 1 from unnest(${column}) as one(value) where one.value like ${condition.pattern})`;
      return sql`${column} like ${condition.pattern}`;
    case 'between':
      return sql.join(
        [
          ...(condition.from === undefined ? [] : [sql`${column} >= ${condition.from}`]),
          ...(condition.to === undefined ? [] : [sql`${column} <= ${condition.to}`]),
          sql`${column} is not null`,
        ],
        sql` and `,
      );
    case 'words':
      // Every word begins some component of the name.
      return sql.join(
        [sql`true`, ...condition.prefixes.map((word) => sql`${column} ~ ${`(^|[ ^-])${escapeRegex(word)}`}`)],
        sql` and `,
      );
  }
}

const escapeRegex = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, (c) => `\\${c}`);
