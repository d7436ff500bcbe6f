import type { MatchRange as Range, QueryCondition as Condition, QueryKey as Key } from '@callosum/dicom';
import { sql } from 'kysely';

import { gramsOf, literalsOf } from '../domain/grams.js';
import { type Level, levelOfKey } from '../domain/keys.js';
import { type NameNarrowing, narrowName } from '../domain/match-name.js';
import { fieldOf, type SearchField, type Sql, timeColumnOf } from './search-fields.js';
import { partOfName, wordOfName } from './study-text.js';

/**
 * True when the condition in SQL finds just the rows that match. Else it finds those and more: names are kept without
 * accents, and what stands in stored metadata only is looked at for being there.
 */
export function isDecided(key: Key): boolean {
  const field = fieldOf(key);
  if (!field) return false;
  const { condition } = key;
  switch (field.type) {
    case 'name':
      return condition.kind === 'words' && !field.elsewhere;
    case 'date':
      return condition.kind === 'moment' ? timeColumnOf(condition.timeTag) !== undefined : true;
    default:
      return true;
  }
}

/** Every value is a parameter, and each condition on a common key meets an index. */
export function conditionSql(key: Key): Sql {
  const field = fieldOf(key);
  return field ? fieldSql(field, key.condition) : metadataSql(key);
}

/** A beginning of so many characters is found by an index of its own. */
export const beginningMin = 3;

/**
 * Grams that a study has in its text when it matches a key, for keys that no other index finds: what people type is in the
 * middle of names and numbers, or begins some word. None where grams say nothing.
 */
export function gramsOfKey(key: Key): string[] {
  const inText = fieldOf(key)?.inText;
  if (!inText) return [];
  const { condition } = key;
  switch (condition.kind) {
    case 'words':
      return gramsOf(
        condition.parts.flatMap(({ text, isBeginning }) => (isBeginning ? wordOfName(text) : text).split('σ')),
      );
    case 'name': {
      const narrowings = condition.groups.flatMap((group) => (group ? [narrowName(group)] : []));
      if (narrowings.some(({ kind }) => kind === 'equal')) return [];
      return gramsOfLike(narrowings.map(({ text }) => partOfName(text)));
    }
    // Of one value or pattern: studies that match another one have other grams.
    case 'wildcard':
      return condition.patterns.length === 1 ? gramsOfLike(condition.patterns.map(likePattern), inText) : [];
    case 'equal':
      return inText === 'alone' && condition.values.length === 1 ? gramsOf(condition.values) : [];
    default:
      return [];
  }
}

function gramsOfLike(patterns: readonly string[], inText: SearchField['inText'] = 'indexed'): string[] {
  const literals = patterns.map(literalsOf);
  const isIndexed = literals.some(([beginning = '']) => [...beginning].length >= beginningMin);
  return isIndexed && inText === 'indexed' ? [] : gramsOf(literals.flat());
}

function fieldSql(field: SearchField, condition: Condition): Sql {
  switch (field.type) {
    case 'name':
      return nameSql(field, condition);
    case 'texts':
      return textsSql(field.column, condition);
    case 'sopClasses':
      return sopClassesSql(condition);
    case 'date':
      return condition.kind === 'moment' ? momentSql(field.column, condition) : scalarSql(field.column, condition);
    case 'text':
      return condition.kind === 'empty' ? sql`${field.column} = ''` : scalarSql(field.column, condition);
    case 'time':
    case 'number':
      return scalarSql(field.column, condition);
  }
}

function scalarSql(column: Sql, condition: Condition): Sql {
  switch (condition.kind) {
    case 'equal':
      return condition.values.length === 1
        ? sql`${column} = ${condition.values[0]}`
        : sql`${column} = any(${condition.values})`;
    case 'wildcard':
      return anyOf(condition.patterns.map((pattern) => sql`${column} like ${likePattern(pattern)}`));
    case 'number':
      return sql`${column} = ${condition.value}::numeric`;
    case 'date':
    case 'time':
      return rangeSql(column, condition);
    case 'empty':
      return sql`coalesce(${column}::text, '') = ''`;
    default:
      throw new RangeError(`no column holds what a ${condition.kind} is compared with`);
  }
}

function rangeSql(column: Sql, { from, to }: Range<string>): Sql {
  return allOf([
    ...(from === undefined ? [] : [sql`${column} >= ${from}`]),
    ...(to === undefined ? [] : [sql`${column} <= ${to}`]),
    sql`${column} <> ''`,
  ]);
}

/** The days narrow by the index; a date without a time is all of its day. */
function momentSql(date: Sql, { timeTag, from, to }: Extract<Condition, { kind: 'moment' }>): Sql {
  const time = timeColumnOf(timeTag);
  const [fromDay, toDay] = [from?.slice(0, 8), to?.slice(0, 8)];
  return allOf([
    ...(fromDay === undefined ? [] : [sql`${date} >= ${fromDay}`]),
    ...(toDay === undefined ? [] : [sql`${date} <= ${toDay}`]),
    sql`${date} <> ''`,
    ...(from === undefined || !time ? [] : [sql`${date} || coalesce(${time}, '999999999999') >= ${from}`]),
    ...(to === undefined || !time ? [] : [sql`${date} || coalesce(${time}, '000000000000') <= ${to}`]),
  ]);
}

function textsSql(column: Sql, condition: Condition): Sql {
  switch (condition.kind) {
    case 'equal':
      return sql`${column} && ${condition.values}::text[]`;
    case 'wildcard':
      return sql`exists (select 1 from unnest(${column}) as one(value)
        where ${anyOf(condition.patterns.map((pattern) => sql`one.value like ${likePattern(pattern)}`))})`;
    default:
      return sql`${column} = '{}'`;
  }
}

const sopClassesSql = (condition: Condition): Sql =>
  condition.kind === 'equal'
    ? sql`exists (select 1 from instance x
        where x.study_instance_uid = st.study_instance_uid and x.sop_class_uid = any(${condition.values}))`
    : sql`false`;

type NameField = Extract<SearchField, { type: 'name' }>;

function nameSql(field: NameField, condition: Condition): Sql {
  const { groups, elsewhere } = field;
  if (condition.kind === 'empty') return allOf(groups.map((group) => sql`${group} = ''`));
  if (condition.kind === 'words') {
    return allOf(
      condition.parts.map(({ text, isBeginning }) => {
        const pattern = (isBeginning ? '(^|[ ^,-])' : '') + escapeRegex(text).replaceAll('σ', '[σς]');
        return anyGroup(field, (group) => sql`${group} ~ ${pattern}`);
      }),
    );
  }
  if (condition.kind !== 'name') return sql`false`;
  const [first] = condition.groups;
  if (condition.groups.length === 1 && first) return anyGroup(field, (group) => narrowedSql(group, narrowName(first)));
  return allOf(
    condition.groups.flatMap((pattern, i) => {
      if (!pattern) return [];
      const group = groups[i];
      return group ? [narrowedSql(group, narrowName(pattern))] : elsewhere ? [elsewhere] : [];
    }),
  );
}

/** Most names have no ideographic and no phonetic group; saying so lets the indexes of those that have one be used. */
const anyGroup = ({ groups, elsewhere }: NameField, matches: (group: Sql) => Sql): Sql =>
  anyOf([
    ...groups.map((group, i) => (i === 0 ? matches(group) : sql`(${group} <> '' and ${matches(group)})`)),
    ...(elsewhere ? [elsewhere] : []),
  ]);

const narrowedSql = (column: Sql, { kind, text }: NameNarrowing): Sql =>
  kind === 'equal' ? sql`${column} = ${text}` : sql`${column} like ${text}`;

/** Stored metadata of the key's level: the attribute is there, with what a JSON path can compare exactly. */
function metadataSql({ path, condition }: Key): Sql {
  const dataset = datasetColumn[levelOfKey(path[0] ?? '')];
  if (condition.kind === 'empty') return sql`true`;
  const way = `$.${path.map((tag) => `"${tag}".Value[*]`).join('.')}`;
  if (condition.kind === 'equal')
    return sql`jsonb_path_exists(${dataset}, ${`${way} ? (@ == $v[*])`}::jsonpath, ${JSON.stringify({ v: condition.values })}::jsonb, true)`;
  return sql`jsonb_path_exists(${dataset}, ${way}::jsonpath, '{}', true)`;
}

const datasetColumn: Readonly<Record<Level, Sql>> = {
  patient: sql`st.attributes`,
  study: sql`st.attributes`,
  series: sql`se.attributes`,
  instance: sql`i.metadata`,
};

/** A wildcard of DICOM for LIKE with '\' as its escape. */
export const likePattern = (pattern: string): string =>
  pattern.replace(/[\\%_*?]/g, (c) => (c === '*' ? '%' : c === '?' ? '_' : `\\${c}`));
const escapeRegex = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, (c) => `\\${c}`);

const allOf = (conditions: readonly Sql[]): Sql => sql`(${sql.join([sql`true`, ...conditions], sql` and `)})`;
const anyOf = (conditions: readonly Sql[]): Sql => sql`(${sql.join(conditions, sql` or `)})`;
