import { readMatch } from '@callosum/dicom';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';

import { PostgresSearchStore } from './adapters/search.js';
import type { SearchPage, SearchPosition, SearchQuery } from './application/search.js';
import { slice, uid } from './test-support/objects.js';
import { database, send, useIndex } from './test-support/study-index.js';

/** Of each level so many, with a text of more than a megabyte that does not compress. */
const large = 12;
const small = 300;
const textCharacters = 1_300_000;

describe('a page of a search', () => {
  useIndex();

  beforeAll(async () => {
    await send(slice('s', 'a', 1));
    const text = (tag: string, vr: string) => sql`jsonb_build_object(${sql.lit(tag)}, jsonb_build_object(
      'vr', ${sql.lit(vr)}, 'Value', jsonb_build_array((select string_agg(md5(part || '/' || n), '')
        from generate_series(1, ${sql.lit(textCharacters / 32)}) as part))))`;
    await sql`insert into study select r.* from study st, generate_series(1, ${sql.lit(large + small)}) as n,
      lateral jsonb_populate_record(st, jsonb_build_object('study_instance_uid', '2.25.' || 1000 + n,
        'patient_id', 'P' || 1000 + n, 'attributes', st.attributes || case when n % 26 > 0 then '{}'::jsonb
          else ${text('00104000', 'LT')} end)) as r`.execute(database.db);
    await sql`insert into series select r.* from series se, generate_series(1, ${sql.lit(large + small)}) as n,
      lateral jsonb_populate_record(se, jsonb_build_object('series_instance_uid', '2.25.' || 2000 + n,
        'series_number', n, 'attributes', se.attributes || case when n % 26 > 0 then '{}'::jsonb
          else ${text('00081070', 'LT')} end)) as r`.execute(database.db);
    await sql`insert into instance select r.* from instance i, generate_series(1, ${sql.lit(large + small)}) as n,
      lateral jsonb_populate_record(i, jsonb_build_object('sop_instance_uid', '2.25.' || 3000 + n,
        'instance_number', n, 'metadata', i.metadata || case when n % 26 > 0 then '{}'::jsonb
          else ${text('00204000', 'LT')} end)) as r`.execute(database.db);
  });

  const ofStudy = () => [
    { path: ['0020000D'], condition: readMatch('0020000D', 'uid', uid('s')) ?? ({ kind: 'empty' } as const) },
  ];
  const pagesOf = async (query: SearchQuery): Promise<SearchPage[]> => {
    const store = new PostgresSearchStore(database.db);
    const pages: SearchPage[] = [];
    for (let after: SearchPosition | undefined; ;) {
      const page = await store.page(query, { ...(after && { after }), limit: 500, offset: 0 });
      pages.push(page);
      if (!page.next) return pages;
      after = page.next;
    }
  };

  it.each<[SearchQuery['level'], Partial<SearchQuery>, number]>([
    ['patient', { onePerPatient: true }, large + small + 1],
    ['study', {}, large + small + 1],
    ['series', { keys: ofStudy() }, large + small + 1],
    ['instance', { keys: ofStudy(), tags: ['00204000'] }, large + small + 1],
  ])('at the level of the %s has as many rows as may be in memory at once', async (level, more, count) => {
    const none = { keys: [], tags: [], withSopClasses: false, withPatientCounts: false, onePerPatient: false };
    const pages = await pagesOf({ ...none, ...more, level });
    const sizes = pages.map(({ rows }) => JSON.stringify(rows).length);
    // Two large ones are more than a page has, and one is not.
    expect(Math.max(...sizes)).toBeGreaterThan(textCharacters);
    expect(Math.max(...sizes)).toBeLessThan(2 * textCharacters);
    // No more pages than that takes: small rows share one.
    expect(pages.length).toBeLessThanOrEqual(large + 2);
    const texts = pages.flatMap(({ rows }) => rows.map((row) => JSON.stringify(row)));
    expect(texts).toHaveLength(count);
    expect(texts.filter((text) => text.length > textCharacters)).toHaveLength(large);
  });

  it('of small rows has as many as were asked for', async () => {
    const query: SearchQuery = {
      level: 'instance',
      keys: ofStudy(),
      tags: ['00080018'],
      withSopClasses: false,
      withPatientCounts: false,
      onePerPatient: false,
    };
    expect((await pagesOf(query)).map(({ rows }) => rows.length)).toEqual([large + small + 1]);
  });
});
