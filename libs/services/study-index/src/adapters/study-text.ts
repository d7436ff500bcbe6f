import type { ConcurrentIndex } from '@callosum/database';
import { type Kysely, type RawBuilder, sql, type Transaction, type UpdateObject } from 'kysely';

import type { StudyTexts } from '../application/study-texts.js';
import type { StudyIndexTables } from './tables.js';

type StudyValues = UpdateObject<StudyIndexTables, 'study'>;

/** Columns of a study that people type parts of, names first. */
const columns = [
  'name_key',
  'name_key_ideographic',
  'name_key_phonetic',
  'patient_id',
  'accession_number',
  'study_description',
] as const;
type Column = (typeof columns)[number];
const isName = (column: Column): boolean => column.startsWith('name_key');

/** Stands before each word of a name, the first too. */
const wordMark = '^';
/** A part of a name as it stands in the text of a study: what else separates words is the same there. */
export const partOfName = (part: string): string => part.replace(/[ ,-]/g, wordMark);
/** The beginning of a word of a name. */
export const wordOfName = (beginning: string): string => wordMark + beginning;

const partOfText = (column: Column, value: string): string =>
  isName(column) ? `'${wordMark}' || translate(${value}, ' ,-', '${wordMark.repeat(3)}')` : value;
const betweenParts = ' || chr(9) || ';

/**
 * The text of a study, in which grams are looked for: names with a mark before each word, then the others, with tabs
 * between them. An index is made of it: another text is another table with its own.
 * @param of before the names of columns, "study."
 */
const studyText = (of: string): string =>
  columns.map((column) => partOfText(column, `${of}${column}`)).join(betweenParts);

/** Every three characters in a row that a text has; three passes, each from another beginning. An index is made of it. */
const gramsExpression = (text: string): string => {
  const pass = (from: string): string => String.raw`regexp_replace(${from}, '...', '\&' || chr(10), 'g')`;
  const passes = [text, `substr(${text}, 2)`, `substr(${text}, 3)`].map(pass);
  return `string_to_array(${passes.join(' || chr(10) || ')}, chr(10))`;
};

/** True of a row of `study` whose text is another than the written one, or was never written. An index is made of it. */
const isUnwritten = (of: string): string => `${of}text_digest is distinct from md5(${studyText(of)})`;

/** For a migration: what follows the name of the table. */
export const gramsIndex = `using gin ((${gramsExpression('text')}))`;
/** Of studies whose text is to be written: none in a site that runs one version. */
export const unwrittenTexts: ConcurrentIndex = {
  name: 'study_unwritten_text',
  table: 'study',
  on: `(study_instance_uid) where ${isUnwritten('')}`,
};

/**
 * Some of the studies in whose text all these grams are.
 * @param limit their number at most
 * @param mark what the statement begins with, see ended-by
 */
export async function studiesWithGrams(
  db: Kysely<StudyIndexTables>,
  grams: readonly string[],
  limit: number,
  mark: RawBuilder<unknown>,
): Promise<string[]> {
  // By itself: of a part that is enough PostgreSQL thinks that it is found soonest by a look at one text after the other.
  const { rows } = await sql<{ uid: string }>`${mark}
    with found as materialized (
      select t.study_instance_uid as uid from study_text t
      where ${sql.raw(gramsExpression('t.text'))} @> ${[...grams]}::text[])
    select uid from found limit ${limit}`.execute(db);
  return rows.map(({ uid }) => uid);
}

/**
 * Some of the studies whose text is not the one that is written.
 * @param limit their number at most
 * @param mark what the statement begins with, see ended-by
 */
export async function unwrittenOf(
  db: Kysely<StudyIndexTables>,
  limit: number,
  mark: RawBuilder<unknown>,
): Promise<string[]> {
  const { rows } = await sql<{ uid: string }>`${mark}
    select s.study_instance_uid as uid from study s where ${sql.raw(isUnwritten('s.'))}
    ${inTheirIndex} limit ${limit}`.execute(db);
  return rows.map(({ uid }) => uid);
}

/** PostgreSQL takes the condition for true of nearly every row: in this order it reads the index that has no others. */
const inTheirIndex = sql`order by s.study_instance_uid`;

/**
 * Updates rows of `study`, and writes their text where it is another one than before, in one statement: nearly every
 * instance leaves it as it is.
 * @param where which rows
 * @returns how many were updated
 */
export async function updateWithText(
  trx: Transaction<StudyIndexTables>,
  values: StudyValues,
  where: RawBuilder<boolean>,
): Promise<number> {
  const { updated } = await trx
    .with('updated', (db) =>
      db
        .updateTable('study')
        .set({ ...values, text_digest: textDigestAfter(values) })
        .where(where)
        .returning(['study.study_instance_uid', sql<string>`${sql.raw(studyText('study.'))}`.as('text')]),
    )
    .with('written', (db) =>
      db
        .insertInto('study_text')
        .columns(['study_instance_uid', 'text'])
        .expression((eb) =>
          eb
            .selectFrom('updated as u')
            .select(['u.study_instance_uid', 'u.text'])
            .where(
              sql<boolean>`not exists (select from study_text x
                where x.study_instance_uid = u.study_instance_uid and x.text = u.text)`,
            ),
        )
        .onConflict((on) => on.column('study_instance_uid').doUpdateSet({ text: sql<string>`excluded.text` })),
    )
    .selectFrom('updated')
    .select((eb) => eb.fn.countAll<number>().as('updated'))
    .executeTakeFirstOrThrow();
  return Number(updated);
}

/** For `update study`: the digest of the text that the row has after it. */
function textDigestAfter(values: StudyValues): RawBuilder<string> {
  const parts = columns.map((column) => {
    const value = (values as Partial<Record<Column, unknown>>)[column];
    const after = value === undefined ? sql.ref(`study.${column}`) : sql`${value}::text`;
    const [before = '', behind = ''] = partOfText(column, '\n').split('\n');
    return sql`${sql.raw(before)}${after}${sql.raw(behind)}`;
  });
  return sql<string>`md5(${sql.join(parts, sql.raw(betweenParts))})`;
}

/** Studies whose text is written in one statement. */
const writtenAtOnce = 500;

/** The texts of studies in PostgreSQL. */
export class PostgresStudyTexts implements StudyTexts {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  /** Whoever has locked a row writes its text himself, or is of the version before and leaves it for the next time. */
  async writeSome(): Promise<number> {
    const { rows } = await sql<{ written: number }>`
      with unwritten as (
        select s.study_instance_uid, ${sql.raw(studyText('s.'))} as text from study s
        where ${sql.raw(isUnwritten('s.'))} ${inTheirIndex} limit ${writtenAtOnce}
        for update of s skip locked
      ), texts as (
        insert into study_text (study_instance_uid, text) select study_instance_uid, text from unwritten
        on conflict (study_instance_uid) do update set text = excluded.text
      ), digests as (
        update study set text_digest = md5(unwritten.text) from unwritten
        where study.study_instance_uid = unwritten.study_instance_uid
      )
      select count(*)::integer as written from unwritten`.execute(this.db);
    return rows[0]?.written ?? 0;
  }
}
