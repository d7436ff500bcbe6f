import type { QueryKey as Key } from '@callosum/dicom';
import { type Kysely, sql } from 'kysely';

import type { SearchQuery } from '../application/search.js';
import { conditionSql, gramsOfKey } from './search-conditions.js';
import type { Sql } from './search-fields.js';
import { studiesWithGrams, unwrittenOf } from './study-text.js';
import type { StudyIndexTables } from './tables.js';

type Db = Kysely<StudyIndexTables>;

/** So few are looked at one after the other, in less than it takes to make the grams of their texts, which PostgreSQL would. */
const fewStudies = 2_000;
/** Keys that are asked about: a form has as many fields, and more would narrow no further. */
const keysMax = 8;
/** What this part of all studies matches is met among the newest; less may be nothing, for all that statistics say. */
const commonShare = 0.03;
/** Milliseconds of a few hundred studies do not matter, wherever they are. */
const alwaysRare = 500;
/**
 * What is found more often than this is found sooner among the newest studies, where a search without grams begins: to
 * have 50 of `n` that match it looks at 50 in `n` of all. With grams all `n` are looked up by themselves, which is taken to
 * be six times as dear for each, and sorted. Both take the same where n² is 50 of all through six.
 */
const rareMaxAmong = (studies: number): number => Math.max(alwaysRare, Math.round(Math.sqrt((50 / 6) * studies)));
/** Where more texts are to be written, nobody says what is in them. */
const unwrittenMax = 1_000;

/**
 * The studies whose text has what a search looks for, where they are few: it looks at no others then. Each query is asked
 * about once, and only where PostgreSQL thinks of its patterns that few studies match: it would find all of a common one
 * before it counts them.
 */
export class RareText {
  readonly #known = new WeakMap<SearchQuery, Promise<readonly Sql[]>>();

  /**
   * Conditions on studies that narrow the search; none where what it looks for is common, or has no grams.
   * @param mark what its statements begin with, see ended-by
   */
  conditions(db: Db, mark: Sql, query: SearchQuery): Promise<readonly Sql[]> {
    const known = this.#known.get(query);
    if (known) return known;
    const asked = this.#ask(db, mark, query.keys);
    this.#known.set(query, asked);
    return asked;
  }

  async #ask(db: Db, mark: Sql, keys: readonly Key[]): Promise<readonly Sql[]> {
    const withGrams = keys
      .map((key) => ({ key, grams: gramsOfKey(key) }))
      .filter(({ grams }) => grams.length > 0)
      .slice(0, keysMax);
    if (withGrams.length === 0) return [];
    // By the pages there are now: many may have come since PostgreSQL last counted.
    const studies = await expected(db, mark, sql`true`);
    if (studies <= fewStudies) return [];
    const grams = new Set<string>();
    for (const { key, grams: ofKey } of withGrams)
      if ((await expected(db, mark, conditionSql(key))) < Math.max(alwaysRare, commonShare * studies))
        for (const gram of ofKey) grams.add(gram);
    if (grams.size === 0) return [];
    const unwritten = await unwrittenOf(db, unwrittenMax + 1, mark);
    if (unwritten.length > unwrittenMax) return [];
    const rareMax = rareMaxAmong(studies);
    const candidates = await studiesWithGrams(db, [...grams], rareMax + 1, mark);
    if (candidates.length > rareMax) return [];
    return [sql`st.study_instance_uid = any(${[...candidates, ...unwritten]}::text[])`];
  }
}

/** As many studies as PostgreSQL thinks a condition is true for; it looks at some hundred of them. */
async function expected(db: Db, mark: Sql, condition: Sql): Promise<number> {
  const { rows } = await sql<{ 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }] }>`${mark}
    explain (format json) select from study st where ${condition}`.execute(db);
  return rows[0]?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
}
