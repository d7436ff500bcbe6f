import { imaging } from '@callosum/contracts';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';

import { PostgresSearchStore } from './adapters/search.js';
import { planSearch } from './application/search-plan.js';
import { search } from './application/search.js';
import { slice, uid } from './test-support/objects.js';
import { collect, database, searchRequest, send, useIndex } from './test-support/study-index.js';

const { QUERY_LEVEL_STUDY: STUDY, QUERY_LEVEL_SERIES: SERIES } = imaging.QueryLevel;

describe('searches of a study, asked again and again', () => {
  useIndex();
  beforeAll(async () => {
    for (const study of ['s', 't', 'u']) await send(slice(study, `${study}-a`, 1));
  });

  /** Statements that all connections hold prepared, and how often they ran. */
  async function prepared(): Promise<{ statements: number; uses: number }> {
    const ofOne = () =>
      sql<{ statements: number; uses: number }>`
        select count(*)::int as statements, coalesce(sum(generic_plans + custom_plans), 0)::int as uses, pg_sleep(0.2)
        from pg_prepared_statements`.execute(database.db);
    const all = (await Promise.all(Array.from({ length: 4 }, ofOne))).map(({ rows }) => rows[0]!);
    return { statements: Math.max(...all.map((one) => one.statements)), uses: Math.max(...all.map((one) => one.uses)) };
  }

  it('are planned once for all of them, by the study and by its series', async () => {
    const store = new PostgresSearchStore(database.db);
    const asked = async (level: imaging.QueryLevel, matches: readonly { tag: string; value: string }[]) => {
      const plan = planSearch(searchRequest({ level, matches: [...matches] }));
      return collect(search(store, plan, new AbortController().signal));
    };
    for (let i = 0; i < 12; i++) {
      const study = { tag: '0020000D', value: uid(['s', 't', 'u'][i % 3] ?? '') };
      expect(await asked(STUDY, [study])).toMatchObject([{ '0020000D': { Value: [study.value] } }]);
      expect(await asked(SERIES, [study])).toMatchObject([{ '0020000D': { Value: [study.value] } }]);
      // What is asked for by something else has a plan of its own: there may be one, or a hundred thousand.
      expect(await asked(STUDY, [{ tag: '00100020', value: 'nobody' }])).toEqual([]);
    }
    expect(await asked(STUDY, [{ tag: '0020000D', value: '1.2.3' }])).toEqual([]);
    expect(await prepared()).toEqual({ statements: 2, uses: 25 });
  });
});
