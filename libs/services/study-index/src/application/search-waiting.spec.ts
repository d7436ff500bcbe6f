import { imaging } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { planSearch } from './search-plan.js';
import { search, type SearchPage, type SearchStore } from './search.js';

const study = {
  studyInstanceUid: '1.2.3',
  patientKey: 'p',
  patientName: '',
  modalities: [],
  seriesCount: 1,
  instanceCount: 1,
  attributes: {},
};

/** A search that is not ended looks on without a turn of anybody else: no timeout of a test would end it. */
const pagesMax = 20;

/** A store whose pages are these, one after the other, again and again. */
function pagesOf(pages: readonly Omit<SearchPage, 'next'>[]) {
  let asked = 0;
  const page: SearchStore['page'] = () => {
    if (asked === pagesMax) return Promise.reject(new Error('the search goes on and on'));
    const next = pages[asked++ % pages.length];
    return Promise.resolve({ rows: [], ...next, next: { at: asked } });
  };
  return { store: { decides: () => true, page } as SearchStore, asked: () => asked };
}

/** What is found, and what ends the search. */
async function searched(store: SearchStore): Promise<{ found: number; code: unknown }> {
  const plan = planSearch(imaging.SearchRequest.fromPartial({ level: imaging.QueryLevel.QUERY_LEVEL_STUDY }));
  let found = 0;
  try {
    for await (const match of search(store, plan)) if (match) found++;
    return { found, code: undefined };
  } catch (error) {
    return { found, code: (error as { code?: unknown }).code };
  }
}

describe('a search that waits for others', () => {
  it('is ended when it has waited for a minute in all without finding anything', async () => {
    const { store, asked } = pagesOf([{ rows: [], waitedMs: 25_000 }]);
    expect(await searched(store)).toEqual({ found: 0, code: 'study-index.too-many-searches' });
    expect(asked()).toBe(3);
  });

  it('begins to count anew with each match', async () => {
    const waits = { rows: [], waitedMs: 40_000 };
    const { store, asked } = pagesOf([waits, { ...waits, rows: [{ study }] }, waits, waits]);
    expect(await searched(store)).toEqual({ found: 1, code: 'study-index.too-many-searches' });
    expect(asked()).toBe(4);
  });
});
