import { imaging } from '@callosum/contracts';
import { describe, expect, it, vi } from 'vitest';

import { TooManySearchesError } from '../domain/errors/search.js';
import type { StudyIndexReader } from './ports/index.js';
import { type Matches, SearchMatches } from './search-matches.js';

const study = '1.2.840.1';

interface Index {
  readonly rows: readonly string[];
  /** Blobs that are not indexed when the waiting is over. */
  missing?: readonly string[];
  /** How long a waiting takes. */
  readonly waiting?: Promise<void>;
}

/** Batches of two rows; what was asked is kept. */
class FakeIndex {
  readonly searches: imaging.SearchRequest[] = [];
  readonly waits: { study: string; keys: readonly string[]; waitMs: number }[] = [];
  open = 0;
  taken = 0;
  /** Searches that were not read to their end. */
  brokenOff = 0;

  constructor(private readonly index: Index) {}

  async *search(request: imaging.SearchRequest) {
    this.searches.push(request);
    this.open++;
    let isWhole = false;
    try {
      const all = this.index.rows.slice(request.offset, request.offset + request.limit);
      for (let at = 0; at < all.length; at += 2) {
        await Promise.resolve();
        const rows = all.slice(at, at + 2).map((dicomJson) => imaging.SearchRow.fromPartial({ dicomJson }));
        this.taken += rows.length;
        yield { rows, unsupportedKeys: ['00091001'] };
      }
      isWhole = true;
    } finally {
      if (!isWhole) this.brokenOff++;
      this.open--;
    }
  }

  async awaitIndexed(of: string, keys: readonly string[], waitMs: number): Promise<ReadonlySet<string>> {
    this.waits.push({ study: of, keys, waitMs });
    await this.index.waiting;
    return new Set((this.index.missing ?? []).filter((key) => keys.includes(key)));
  }
}

function setUp(index: Index, recent: readonly string[] = [], indexWaitMs = 100) {
  const fake = new FakeIndex(index);
  const asked: string[] = [];
  const archive = {
    recentBlobs: (of: string) => {
      asked.push(of);
      return Promise.resolve(recent);
    },
  };
  const limits = { requestsMax: 2, indexWaitMs };
  return { fake, asked, matches: new SearchMatches(fake as unknown as StudyIndexReader, archive, limits) };
}

const ask = (more: Partial<imaging.SearchRequest> = {}): imaging.SearchRequest =>
  imaging.SearchRequest.fromPartial({ limit: 5, ...more });
const signal = new AbortController().signal;

async function textsOf({ rows }: Matches): Promise<string[]> {
  const texts: string[] = [];
  for await (const { dicomJson } of rows) texts.push(dicomJson);
  return texts;
}

const short = (count: number): string[] => Array.from({ length: count }, (_, i) => `{"${i}":{}}`);
const long = (count: number): string[] => short(count).map((text) => text.padEnd(400_000));

describe('a search', () => {
  it.each([
    [0, 0, false],
    [1, 1, false],
    [5, 5, false],
    [6, 5, true],
    [9, 5, true],
  ])('of %i matches gives %i of five, and says whether there are more: %s', async (count, given, hasMore) => {
    const { fake, matches } = setUp({ rows: short(count) });
    const found = await matches.find(ask(), signal);
    expect(await textsOf(found)).toEqual(short(given));
    expect(found).toMatchObject({ isEmpty: count === 0, hasMore, notIndexed: 0 });
    expect(Array.isArray(found.rows)).toBe(true);
    expect(found.unsupportedKeys).toEqual(count === 0 ? [] : ['00091001']);
    expect([fake.searches.length, fake.open, fake.brokenOff]).toEqual([1, 0, 0]);
  });

  it.each([
    [4, 5, false],
    [5, 5, false],
    [6, 5, true],
    [9, 4, true],
  ])('of %i long matches is given as it is found, %i at most, more: %s', async (count, limit, hasMore) => {
    const { fake, matches } = setUp({ rows: long(count) });
    const found = await matches.find(ask({ limit, includeAll: true, includeTags: ['00104000'] }), signal);
    expect(found).toMatchObject({ isEmpty: false, hasMore });
    expect(Array.isArray(found.rows)).toBe(false);
    // Two batches are more than is held.
    expect(fake.taken).toBeLessThanOrEqual(4 + 1);
    expect((await textsOf(found)).map((text) => text.trimEnd())).toEqual(short(Math.min(count, limit)));
    expect([fake.open, fake.brokenOff]).toEqual([0, 0]);
    expect(fake.searches[1]).toMatchObject({
      offset: limit,
      limit: 1,
      includeAll: false,
      includeTags: [],
      onlyRequested: true,
    });
  });

  it('that nobody reads to its end is ended', async () => {
    const { fake, matches } = setUp({ rows: long(9) });
    const { rows } = await matches.find(ask({ limit: 9 }), signal);
    for await (const _ of rows) break;
    expect(fake.open).toBe(0);
    expect(fake.taken).toBeLessThan(9);
  });

  it('goes on behind its offset', async () => {
    const { matches } = setUp({ rows: short(9) });
    const found = await matches.find(ask({ offset: 6 }), signal);
    expect(await textsOf(found)).toEqual(short(9).slice(6));
    expect(found.hasMore).toBe(false);
  });
});

describe('a search within a study', () => {
  const inStudy = (value: string) => ask({ matches: [{ tag: '0020000D', value }] });

  it('waits for what came of it just now', async () => {
    const { fake, asked, matches } = setUp({ rows: short(1) }, ['k1', 'k2']);
    expect((await matches.find(inStudy(`${study} `), signal)).notIndexed).toBe(0);
    expect(asked).toEqual([study]);
    expect(fake.waits).toEqual([{ study, keys: ['k1', 'k2'], waitMs: 100 }]);
  });

  it('is told how much of it cannot be found yet', async () => {
    const { matches } = setUp({ rows: [], missing: ['k2'] }, ['k1', 'k2']);
    expect(await matches.find(inStudy(study), signal)).toMatchObject({ isEmpty: true, notIndexed: 1 });
  });

  it('does not wait again for what was waited for in vain, and still finds it once it is there', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const recent = ['k1', 'k2'];
      const index: Index = { rows: [], missing: ['k2'] };
      const { fake, matches } = setUp(index, recent);
      const ask = async () => (await matches.find(inStudy(study), signal)).notIndexed;
      const waited = () => fake.waits.splice(0).map(({ keys, waitMs }) => [keys, waitMs]);
      expect(await ask()).toBe(1);
      expect(waited()).toEqual([[['k1', 'k2'], 100]]);
      recent.push('k3');
      expect(await ask()).toBe(1);
      // What came since is waited for.
      expect(waited()).toEqual([
        [['k2'], 0],
        [['k1', 'k3'], 100],
      ]);
      index.missing = [];
      expect(await ask()).toBe(0);
      expect(waited()).toHaveLength(2);
      index.missing = ['k2'];
      vi.advanceTimersByTime(10_001);
      expect(await ask()).toBe(1);
      expect(waited()).toEqual([[['k1', 'k2', 'k3'], 100]]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('only looks where very many wait', async () => {
    let go = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (go = resolve));
    const { fake, matches } = setUp({ rows: [], missing: ['k1'], waiting }, ['k1']);
    const all = Array.from({ length: 33 }, () => matches.find(inStudy(study), signal));
    await vi.waitFor(() => expect(fake.waits).toHaveLength(33));
    expect(fake.waits.map(({ waitMs }) => waitMs)).toEqual([...Array<number>(32).fill(100), 0]);
    go();
    for (const found of await Promise.all(all)) expect(found.notIndexed).toBe(1);
  });

  it('does not ask the index where nothing came, nor the archive where nobody waits', async () => {
    const rests = setUp({ rows: [] });
    await rests.matches.find(inStudy(study), signal);
    expect([rests.asked, rests.fake.waits]).toEqual([[study], []]);
    const hurries = setUp({ rows: [] }, ['k1'], 0);
    await hurries.matches.find(inStudy(study), signal);
    expect(hurries.asked).toEqual([]);
  });

  it.each([`${study}\\1.2.3`, `${study},1.2.3`, '', '*', "1.2'; drop table intake"])(
    'is none where %j is asked for',
    async (value) => {
      const { asked, matches } = setUp({ rows: [] }, ['k1']);
      await matches.find(inStudy(value), signal);
      expect(asked).toEqual([]);
    },
  );

  it('is none where the path and the query name different studies', async () => {
    const { asked, matches } = setUp({ rows: [] }, ['k1']);
    const both = [study, '1.2.3'].map((value) => ({ tag: '0020000D', value }));
    await matches.find(ask({ matches: both }), signal);
    expect(asked).toEqual([]);
  });
});

describe('searches at once', () => {
  it('are as many as may be, and those that ended count no more', () => {
    const { matches } = setUp({ rows: [] });
    const [end] = [matches.begin('one'), matches.begin('two')];
    expect(() => matches.begin('three')).toThrow(TooManySearchesError);
    end?.();
    end?.();
    // Of one client half of them.
    expect(() => matches.begin('two')).toThrow(TooManySearchesError);
    matches.begin('three');
    expect(() => matches.begin('one')).toThrow(TooManySearchesError);
  });
});
