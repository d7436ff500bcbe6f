import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';

import type { DateValue, Filter, TokenValue } from '../../domain/criteria.js';
import { exactKey, prefixKey } from './index-value.js';
import type { FhirGatewayTables } from './tables.js';
import { timestampText } from './timestamp.js';

type Builder = ExpressionBuilder<FhirGatewayTables, 'resource'>;
type Condition = Expression<SqlBool>;

/** The condition one filter puts on a row of `resource`. */
export function filterCondition(eb: Builder, resourceType: string, filter: Filter): Condition {
  if (filter.param === '_id' && filter.kind === 'token') {
    const ids = filter.values.map(({ code }) => code ?? '');
    return filter.not ? eb('resource.id', 'not in', ids) : eb('resource.id', 'in', ids);
  }
  if (filter.param === '_lastUpdated' && filter.kind === 'date') {
    const at = sql<Date>`${sql.ref('resource.last_updated')}`;
    return eb.or(filter.values.map((value) => dateCondition(value, at, sql<Date>`${at} + interval '1 millisecond'`)));
  }
  if (filter.kind === 'missing') {
    // Both stand in the resource's own row, and no resource is without.
    if (filter.param === '_id' || filter.param === '_lastUpdated') return eb.lit(!filter.missing);
    const any = exists(eb, resourceType, [filter.param, `${filter.param}:identifier`], undefined);
    return filter.missing ? eb.not(any) : any;
  }
  if (filter.kind === 'token') {
    const any = exists(eb, resourceType, [filter.param], anyOf(filter.values.map(tokenCondition)));
    return filter.not ? eb.not(any) : any;
  }
  return exists(eb, resourceType, [filter.param], valuesCondition(filter));
}

function exists(
  eb: Builder,
  resourceType: string,
  params: readonly string[],
  condition: Condition | undefined,
): Condition {
  const rows = eb
    .selectFrom('search_index')
    .select(sql`1`.as('one'))
    .whereRef('search_index.id', '=', 'resource.id')
    .where('search_index.resource_type', '=', resourceType)
    .where('search_index.param', 'in', params);
  return eb.exists(condition ? rows.where(condition) : rows);
}

function valuesCondition(filter: Exclude<Filter, { kind: 'token' | 'missing' }>): Condition {
  const value = sql.ref('search_index.value');
  switch (filter.kind) {
    case 'reference':
    case 'uri':
      return sql<SqlBool>`${value} in (${sql.join(filter.values.length > 0 ? filter.values.map(exactKey) : [''])})`;
    case 'date':
      return anyOf(filter.values.map((one) => dateCondition(one, openLow, openHigh)));
    case 'string':
      return anyOf(filter.values.map((text) => stringCondition(filter.match, text)));
  }
}

const openLow = sql<Date>`coalesce(${sql.ref('search_index.low')}, '-infinity'::timestamptz)`;
const openHigh = sql<Date>`coalesce(${sql.ref('search_index.high')}, 'infinity'::timestamptz)`;

function stringCondition(match: 'starts' | 'contains' | 'exact', text: string): Condition {
  if (match === 'exact') return sql<SqlBool>`${sql.ref('search_index.system')} = ${prefixKey(text)}`;
  const pattern = prefixKey(text).replace(/[\\%_]/g, '\\$&');
  return sql<SqlBool>`${sql.ref('search_index.value')} like ${match === 'contains' ? `%${pattern}%` : `${pattern}%`}`;
}

function tokenCondition({ system, code, implicit }: TokenValue): Condition {
  const parts: Condition[] = [];
  if (code !== undefined) parts.push(sql<SqlBool>`${sql.ref('search_index.value')} = ${exactKey(code)}`);
  if (system === '') parts.push(sql<SqlBool>`${sql.ref('search_index.system')} is null`);
  else if (implicit)
    parts.push(
      sql<SqlBool>`(${sql.ref('search_index.system')} = ${exactKey(system ?? '')} or ${sql.ref('search_index.system')} is null)`,
    );
  else if (system !== undefined) parts.push(sql<SqlBool>`${sql.ref('search_index.system')} = ${exactKey(system)}`);
  return parts.length > 0 ? sql<SqlBool>`(${sql.join(parts, sql` and `)})` : sql<SqlBool>`true`;
}

/** R4 search, 3.1.1.4.6: prefixes compare the span a target stands for with the span asked for. */
function dateCondition({ prefix, from, to }: DateValue, low: Expression<Date>, high: Expression<Date>): Condition {
  const start = sql`${timestampText(from)}::timestamptz`;
  const end = sql`${timestampText(to)}::timestamptz`;
  const within = sql<SqlBool>`(${low} >= ${start} and ${high} <= ${end})`;
  switch (prefix) {
    case 'eq':
      return within;
    case 'ne':
      return sql<SqlBool>`not ${within}`;
    case 'gt':
      return sql<SqlBool>`${high} > ${end}`;
    case 'lt':
      return sql<SqlBool>`${low} < ${start}`;
    case 'ge':
      return sql<SqlBool>`(${high} > ${end} or ${within})`;
    case 'le':
      return sql<SqlBool>`(${low} < ${start} or ${within})`;
    case 'sa':
      return sql<SqlBool>`${low} >= ${end}`;
    case 'eb':
      return sql<SqlBool>`${high} <= ${start}`;
    case 'ap':
      return sql<SqlBool>`(${low} < ${end} and ${high} > ${start})`;
  }
}

const anyOf = (conditions: readonly Condition[]): Condition => sql<SqlBool>`(${sql.join([...conditions], sql` or `)})`;
