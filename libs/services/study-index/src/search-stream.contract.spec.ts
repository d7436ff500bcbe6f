import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { imaging } from '@callosum/contracts';
import { type Channel, createChannel, createClient, createServer, type Server, Status } from 'nice-grpc';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { PostgresIndexQueries } from './adapters/queries.js';
import { PostgresSearchStore } from './adapters/search.js';
import { planSearch } from './application/search-plan.js';
import { search, type SearchPage, type SearchStore } from './application/search.js';
import { SearchTooBroadError } from './domain/errors.js';
import { slice, uid } from './test-support/objects.js';
import {
  collect,
  database,
  hiddenInArchive,
  reindex,
  searchRequest,
  send,
  useIndex,
} from './test-support/study-index.js';
import { StudyIndexGrpc } from './transport/study-index.grpc.js';

/** A hundred thousand and more with `CALLOSUM_SEARCH_STUDIES`; many on one day, and some without a date. */
const studies = Number(process.env['CALLOSUM_SEARCH_STUDIES'] ?? 6_000);
/** Of the answers on their way, and of the UIDs that this test keeps: 100,000 studies are 140 MB of rows. */
const growthBytesMax = 48 * 1024 * 1024;
const { QUERY_LEVEL_PATIENT: PATIENT, QUERY_LEVEL_STUDY: STUDY } = imaging.QueryLevel;
const everything = { level: STUDY, onlyRequested: true, includeTags: ['00080020', '00100010', '00081030'] };

/** Studies `from` to `to`, generated straight into the table: two of each patient. */
const fill = (from: number, to: number) =>
  sql`
  insert into study (study_instance_uid, revision, state, identity_digest, inconsistent, patient_id, issuer_of_patient_id,
    issuer_universal_entity_id, issuer_universal_entity_id_type, patient_name, patient_birth_date, patient_sex, name_key,
    name_key_ideographic, name_key_phonetic, source, first_stored_at, representative_sha256, study_date, study_time_key,
    accession_number, study_id, study_description, referring_name_key, modalities, series_count, instance_count, attributes)
  select '2.25.' || 100000000000 + n, 1, 'complete', '', false, 'P' || n / 2, '', '', '', 'Name^' || n, '', '',
    'name^' || n, '', '', '', now(), '', day.text, null, '', '', 'CT', '', array['CT'], 1, 1,
    jsonb_build_object('0020000D', jsonb_build_object('vr', 'UI', 'Value', array['2.25.' || 100000000000 + n]),
      '00080020', jsonb_build_object('vr', 'DA', 'Value', array[day.text]),
      '00100010', jsonb_build_object('vr', 'PN', 'Value', array[jsonb_build_object('Alphabetic', 'Name^' || n)]),
      '00100020', jsonb_build_object('vr', 'LO', 'Value', array['P' || n / 2]),
      '00081030', jsonb_build_object('vr', 'LO', 'Value', array[repeat('x', 600)]))
  from generate_series(${from}::int, ${to}::int) as n,
    lateral (select case when n % 10 = 0 then null when n % 3 = 0 then '20260101'
      else to_char(date '2020-01-01' + n % 1000, 'YYYYMMDD') end as text) as day`.execute(database.db);

/** What is in use when nothing is left that could be thrown away. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The store, watched. */
class WatchedStore extends PostgresSearchStore {
  pages = 0;
  before: () => Promise<void> | void = () => undefined;

  override async page(...asked: Parameters<PostgresSearchStore['page']>): Promise<SearchPage> {
    this.pages++;
    await this.before();
    return super.page(...asked);
  }
}

describe(`a search that finds ${studies} studies`, () => {
  useIndex();
  let server: Server;
  let channel: Channel;
  let store: WatchedStore;

  beforeAll(async () => {
    await fill(1, studies);
    await sql`analyze study`.execute(database.db);
    store = new WatchedStore(database.db);
    server = createServer();
    server.add(
      imaging.StudyIndexServiceDefinition,
      new StudyIndexGrpc(new PostgresIndexQueries(database.db), store, reindex(), hiddenInArchive),
    );
    const port = await server.listen('127.0.0.1:0');
    channel = createChannel(`127.0.0.1:${port}`);
  });
  beforeEach(() => {
    store.pages = 0;
    store.before = () => undefined;
  });
  afterAll(async () => {
    channel?.close();
    await server?.shutdown();
  });
  const client = () => createClient(imaging.StudyIndexServiceDefinition, channel);
  const uidOf = ({ dicomJson }: imaging.SearchResponse): string =>
    (JSON.parse(dicomJson) as Record<string, { Value?: string[] }>)['0020000D']?.Value?.[0] ?? '';
  /** Once no page was asked for in half a second. */
  const settled = async (): Promise<number> => {
    let asked = -1;
    while (asked !== store.pages) {
      asked = store.pages;
      await sleep(500);
    }
    return asked;
  };

  it('streams each of them once in bounded memory, whatever is stored meanwhile', async () => {
    // What a process takes once is no growth.
    for await (const _ of client().search(searchRequest({ ...everything, limit: 2_000 })));
    const before = liveBytes();
    let peak = 0;
    let count = 0;
    const found = new Set<string>();
    for await (const answer of client().search(searchRequest(everything))) {
      const uid = uidOf(answer);
      expect(found.has(uid)).toBe(false);
      found.add(uid);
      if (++count % 2_000 !== 0) continue;
      peak = Math.max(peak, liveBytes() - before);
      // New studies of all days, before and behind the place the search has come to.
      const from = 10_000_000 + count;
      await fill(from, from + 20);
    }
    await sql`delete from study where study_instance_uid >= '2.25.100010000000'`.execute(database.db);
    const missing = Array.from({ length: studies }, (_, i) => `2.25.${100_000_000_001 + i}`).filter(
      (uid) => !found.has(uid),
    );
    expect(missing).toEqual([]);
    expect(peak).toBeLessThan(growthBytesMax);
  });

  it('gives them in the same order in pages and at once', async () => {
    const all = (await collect(client().search(searchRequest(everything)))).map(uidOf);
    expect(all).toHaveLength(studies);
    const part = await collect(client().search(searchRequest({ ...everything, limit: 1_700, offset: 450 })));
    expect(part.map(uidOf)).toEqual(all.slice(450, 2_150));
  });

  it('finds each patient once', async () => {
    const request = searchRequest({ level: PATIENT, onlyRequested: true, matches: [{ tag: '00201200', value: '' }] });
    // Keys that the index decides, and one that names decide.
    const named = { ...request, matches: [...request.matches, { tag: '00100010', value: 'NAME*' }] };
    for (const asked of [request, named]) {
      const found = await collect(client().search(asked));
      expect(new Set(found.map(({ dicomJson }) => dicomJson)).size).toBe(found.length);
      expect(found.length).toBe(Math.floor(studies / 2) + 1);
    }
  });

  it('reads on only when its reader does, and holds no transaction meanwhile', async () => {
    const iterator = client().search(searchRequest(everything))[Symbol.asyncIterator]();
    await iterator.next();
    const asked = await settled();
    // What fits into the windows of the connection is on its way, and is less than 8 MB.
    if (studies > 50_000) expect(asked).toBeLessThan(40);
    const { rows } = await sql<{ state: string }>`
      select state from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`.execute(
      database.db,
    );
    expect(rows).toEqual([]);
    await iterator.return?.();
  });

  it('ends when its reader cancels', async () => {
    const controller = new AbortController();
    const cancelled = once(controller.signal, 'abort');
    store.before = async () => {
      if (store.pages <= 2) return;
      await cancelled;
      await sleep(300);
    };
    const answers = client().search(searchRequest(everything), { signal: controller.signal });
    await expect(
      (async () => {
        for await (const _ of answers) controller.abort();
      })(),
    ).rejects.toMatchObject({ name: 'AbortError' });
    expect(await settled()).toBeLessThan(studies / 500);
  });

  /** How many statements wait for a lock. */
  const locked = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
    return rows[0]?.count;
  };

  it('leaves turns to who asks for one study, however many look at all of them', async () => {
    await database.db.transaction().execute(async (trx) => {
      // What they look at; who asks for a study does not.
      await sql`lock table instance in access exclusive mode`.execute(trx);
      const nobody = new AbortController();
      const broad = planSearch(searchRequest({ level: STUDY, matches: [{ tag: '00080062', value: '1.2.3' }] }));
      const looks = () => collect(search(store, broad, nobody.signal));
      const ended = Promise.allSettled(Array.from({ length: 34 }, looks));
      await expect.poll(locked).toBe(2);
      await expect(looks()).rejects.toMatchObject({ kind: 'unavailable' });
      for (const [tag, value] of [
        ['0020000D', '2.25.100000000007'],
        ['00100020', 'P3'],
      ] as const) {
        const matches = [{ tag, value }];
        const found = await collect(search(store, planSearch(searchRequest({ level: STUDY, matches }))));
        expect(found.length).toBeGreaterThan(0);
      }
      expect(await locked()).toBe(2);
      nobody.abort(new Error('nobody'));
      for (const one of await ended) expect(one).toMatchObject({ status: 'rejected', reason: { message: 'nobody' } });
    });
  });

  it('is ended where it looks and where it waits for others, once nobody wants it', async () => {
    await database.db.transaction().execute(async (trx) => {
      await sql`lock table study in access exclusive mode`.execute(trx);
      const nobody = new AbortController();
      const plan = planSearch(searchRequest(everything));
      const searches = Array.from({ length: 6 }, () => collect(search(store, plan, nobody.signal)));
      const ended = Promise.allSettled(searches);
      await expect.poll(locked).toBe(4);
      nobody.abort(new Error('nobody'));
      const abortedAt = performance.now();
      for (const one of await ended) expect(one).toMatchObject({ status: 'rejected', reason: { message: 'nobody' } });
      // By itself a statement ends when it has waited for the lock, or looked, for too long.
      expect(performance.now() - abortedAt).toBeLessThan(4_000);
      expect(await locked()).toBe(0);
    });
    expect(await collect(search(store, planSearch(searchRequest({ ...everything, limit: 3 }))))).toHaveLength(3);
  });

  it('is not too broad because it waited for others', async () => {
    const waits: SearchStore = {
      decides: () => true,
      page: async (_query, { after }) => {
        await sleep(30);
        return { rows: [], waitedMs: 30, ...(after ? {} : { next: { page: 2 } }) };
      },
    };
    expect(await collect(search(waits, planSearch(searchRequest(everything)), undefined, 20))).toEqual([]);
  });

  it('ends with an error of its own when it would walk the archive', async () => {
    const inMetadata = planSearch(searchRequest({ level: STUDY, matches: [{ tag: '00081080', value: 'x' }] }));
    await database.db.transaction().execute(async (trx) => {
      await sql`set local statement_timeout = '1ms'`.execute(trx);
      await sql`savepoint before_search`.execute(trx);
      await expect(collect(search(new PostgresSearchStore(trx), inMetadata))).rejects.toBeInstanceOf(
        SearchTooBroadError,
      );
      await sql`rollback to savepoint before_search`.execute(trx);
    });
    // The index finds this name without its accent again and again, and none is meant.
    const accented = planSearch(searchRequest({ level: STUDY, matches: [{ tag: '00100010', value: 'Näme*' }] }));
    await expect(collect(search(store, accented, undefined, 0))).rejects.toBeInstanceOf(SearchTooBroadError);
  });

  it('tells its caller so as a deadline that was exceeded', async () => {
    store.before = () => {
      throw new SearchTooBroadError();
    };
    await expect(collect(client().search(searchRequest(everything)))).rejects.toMatchObject({
      code: Status.DEADLINE_EXCEEDED,
      details: expect.stringMatching(/^study-index\.search-too-broad: /) as string,
    });
  });
});

describe('a search that finds enhanced objects', () => {
  useIndex();
  /** Of each a megabyte of metadata, most of it in one sequence. */
  const objects = 120;
  const small = 40;

  beforeAll(async () => {
    await send(slice('s', 'a', 1));
    // First small ones, as a localizer: what comes then is not what the first tell.
    await sql`
      with groups as (
        select jsonb_build_object('52009230', jsonb_build_object('vr', 'SQ', 'Value', jsonb_agg(jsonb_build_object(
          '00209113', jsonb_build_object('vr', 'SQ', 'Value', jsonb_build_array(jsonb_build_object(
            '00200032', jsonb_build_object('vr', 'DS', 'Value', jsonb_build_array(k * 1.25, -k, k)))))))))
          as of_frames from generate_series(1, 8000) as k)
      insert into instance select r.* from instance i, groups, generate_series(2, ${objects}::int) as n,
        lateral jsonb_populate_record(i, jsonb_build_object('sop_instance_uid', '2.25.' || 1000 + n, 'instance_number', n,
          'metadata', i.metadata || jsonb_build_object('00200013', jsonb_build_object('vr', 'IS', 'Value',
            jsonb_build_array(n))) || case when n <= ${small} then '{}'::jsonb else groups.of_frames end)) as r`.execute(
      database.db,
    );
    await sql`analyze instance`.execute(database.db);
  });

  it.each([
    ['all of them', { includeAll: true }],
    ['their largest sequence', { includeTags: ['52009230'] }],
  ])('gives %s, each once, and holds a few', async (_, more) => {
    const asked = { level: imaging.QueryLevel.QUERY_LEVEL_INSTANCE, matches: [{ tag: '0020000D', value: uid('s') }] };
    const plan = planSearch(searchRequest({ ...asked, ...more }));
    const before = liveBytes();
    let peak = 0;
    let characters = 0;
    const found: unknown[] = [];
    for await (const dataset of search(new PostgresSearchStore(database.db), plan)) {
      found.push(dataset['00200013']?.Value?.[0]);
      characters += JSON.stringify(dataset).length;
      if (found.length % 10 === 0) peak = Math.max(peak, liveBytes() - before);
    }
    expect(found).toEqual(Array.from({ length: objects }, (_, i) => i + 1));
    expect(characters).toBeGreaterThan((objects - small) * 600_000);
    expect(peak).toBeLessThan(growthBytesMax);
  });
});
