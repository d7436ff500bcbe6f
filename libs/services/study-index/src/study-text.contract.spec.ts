import { imaging } from '@callosum/contracts';
import type { Attributes } from '@callosum/dicom';
import { systemClock } from '@callosum/kernel';
import { sql } from 'kysely';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { PostgresIndexTransaction } from './adapters/index-transaction.js';
import { PostgresSearchStore } from './adapters/search.js';
import { PostgresStudyTexts } from './adapters/study-text.js';
import { removeInstance } from './application/index-instance.js';
import { planSearch } from './application/search-plan.js';
import { search } from './application/search.js';
import { SearchTooBroadError } from './domain/errors.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  clearIndex,
  collect,
  database,
  find,
  index,
  periods,
  reindex,
  searchRequest,
  send,
  useIndex,
} from './test-support/study-index.js';

useIndex();

const { QUERY_LEVEL_STUDY: STUDY, QUERY_LEVEL_SERIES: SERIES } = imaging.QueryLevel;
const texts = () => new PostgresStudyTexts(database.db);
const run = (statement: ReturnType<typeof sql>): Promise<unknown> => statement.execute(database.db);
/** As a replica of the version before writes rows. */
const forget = (): Promise<unknown> =>
  run(sql`with gone as (delete from study_text) update study set text_digest = null`);

async function writeAll(): Promise<number> {
  let written = 0;
  for (let more = -1; more !== 0; written += more) more = await texts().writeSome();
  return written;
}

/** Names of the studies that were found, in alphabetical order. */
async function found(keys: Record<string, string>, more: Partial<imaging.SearchRequest> = {}): Promise<string[]> {
  const matches = Object.entries(keys).map(([tag, value]) => ({ tag, value }));
  const datasets = await find({ level: STUDY, matches, ...more });
  const names = new Map(all.map(({ name }) => [uid(name), name]));
  return datasets.map((dataset) => names.get(String(dataset['0020000D']?.Value?.[0])) ?? '?').sort();
}

const all: { name: string; attributes: Attributes }[] = [
  { name: 'anna', attributes: { PatientName: 'Müller-Lüdenscheid^Anna Maria', PatientID: 'MRN-004711' } },
  { name: 'hanna', attributes: { PatientName: 'Schmitt^Hanna', PatientID: 'MRN-114711', AccessionNumber: 'A%1_2' } },
  { name: 'hanako', attributes: { PatientName: 'Yamada^Hanako=山田^花子=やまだ^はなこ', PatientID: '4711' } },
  { name: 'nikos', attributes: { PatientName: 'Παπαδόπουλος^Νίκος', PatientID: 'GR-1', AccessionNumber: 'AB12' } },
  { name: 'sean', attributes: { PatientName: "O'Neill, Sean", PatientID: 'x/y', AccessionNumber: 'a%1_2' } },
  { name: 'broken', attributes: { PatientName: 'Long^Tab', StudyDescription: 'Kopf\tnativ\nmit Kontrast' } },
  { name: 'short', attributes: { PatientName: 'Li^Bo', PatientID: '7', StudyDescription: 'MR' } },
  { name: 'none', attributes: { PatientName: '', PatientID: '', AccessionNumber: '', StudyDescription: '' } },
];

describe('parts of names and numbers', () => {
  beforeAll(async () => {
    await clearIndex();
    for (const { name, attributes } of all)
      await send(slice(name, 'a', 1, { StudyDescription: 'Thorax 100%', ...attributes }));
  });

  const name = '00100010';
  const cases: [string, Record<string, string>, string[], Partial<imaging.SearchRequest>?][] = [
    ['the middle of a name', { [name]: '*denschei*' }, ['anna']],
    ['a part that two names have', { [name]: '*anna*' }, ['anna', 'hanna']],
    ['a name by its accents', { [name]: '*Lüdensch*' }, ['anna']],
    ['another accent than the name has', { [name]: '*Lädensch*' }, []],
    ['a part over a blank', { [name]: '*na mar*' }, ['anna']],
    ['a part over a hyphen', { [name]: '*er-lü*' }, ['anna']],
    ['a part over a comma', { [name]: '*eill, s*' }, ['sean']],
    ['what no comma is in', { [name]: '*eill s*' }, []],
    ['the end of a name', { [name]: '*^hanna' }, ['hanna']],
    ['characters left out', { [name]: '*mi?t^h*' }, ['hanna']],
    ['two parts', { [name]: '*mül*maria*' }, ['anna']],
    ['two letters', { [name]: '*ko*' }, ['hanako']],
    ['an ideographic part', { [name]: '*田^花*' }, ['hanako']],
    ['a phonetic part', { [name]: '*まだ^は*' }, ['hanako']],
    ['a part of each group', { [name]: '*mada*=*田^花*' }, ['hanako']],
    ['a part in the wrong group', { [name]: '*田^花*=*mada*' }, []],
    ['letters that are one in two forms', { [name]: '*ΟΥΛΟΣ*' }, ['nikos']],
    ['the beginning of a word', { [name]: 'mar' }, ['anna'], { fuzzyMatching: true }],
    ['the beginning of a word behind a hyphen', { [name]: 'lude' }, ['anna'], { fuzzyMatching: true }],
    ['two letters of a word', { [name]: 'ha' }, ['hanako', 'hanna'], { fuzzyMatching: true }],
    ['two words in any order', { [name]: '*anna mul*' }, ['anna'], { fuzzyMatching: true }],
    ['no beginning of a word', { [name]: 'udenscheid' }, [], { fuzzyMatching: true }],
    ['the middle of a word behind a wildcard', { [name]: '*denschei*' }, ['anna'], { fuzzyMatching: true }],
    ['a part of two names as a viewer sends it', { [name]: '*nna*' }, ['anna', 'hanna'], { fuzzyMatching: true }],
    ['two letters behind a wildcard', { [name]: '*ko*' }, ['hanako'], { fuzzyMatching: true }],
    ['two parts in any order', { [name]: '*ari *udens*' }, ['anna'], { fuzzyMatching: true }],
    ['characters left out, fuzzily', { [name]: '*mi?t^h*' }, ['hanna'], { fuzzyMatching: true }],
    ['a part of each group, fuzzily', { [name]: '*mada*=*田^花*' }, ['hanako'], { fuzzyMatching: true }],
    ['a letter in its other form, fuzzily', { [name]: '*ΟΣ^Ν*' }, ['nikos'], { fuzzyMatching: true }],
    ['an ideographic word', { [name]: '花子' }, ['hanako'], { fuzzyMatching: true }],
    ['the middle of a Patient ID', { '00100020': '*N-?0471*' }, ['anna']],
    ['the end of a Patient ID', { '00100020': '*4711' }, ['anna', 'hanako', 'hanna']],
    ['signs that SQL has a meaning for', { '00080050': '*%1_*' }, ['hanna', 'sean']],
    ['letters of one case', { '00080050': '*A%1*' }, ['hanna']],
    ['a description over a tab', { '00081030': '*f\tnat*' }, ['broken']],
    ['a description over a line', { '00081030': '*iv\nmit*' }, ['broken']],
    ['what is behind a line', { '00081030': '*Kontrast*' }, ['broken']],
    ['what most have', { '00081030': '*rax 100%*' }, ['anna', 'hanako', 'hanna', 'nikos', 'sean']],
    ['a description by its beginning', { '00081030': 'Kopf*' }, ['broken']],
    ['all of a description', { '00081030': 'Thorax 100%' }, ['anna', 'hanako', 'hanna', 'nikos', 'sean']],
    ['a description that is longer', { '00081030': 'Thorax 100' }, []],
    ['parts of two attributes', { '00081030': '*orax*', '00100020': '*MRN*' }, ['anna', 'hanna']],
    ['what two attributes have together', { '00100020': '*711AC*' }, []],
  ];

  it.each(cases)('are found: %s', async (_, keys, expected, more) => {
    expect(await found(keys, more)).toEqual(expected);
  });

  it('are found the same before any text is written, and after', async () => {
    const answers = () => Promise.all(cases.map(([, keys, , more]) => found(keys, more)));
    await forget();
    const without = await answers();
    expect(without).toEqual(cases.map(([, , expected]) => expected));
    expect(await writeAll()).toBe(all.length);
    expect(await answers()).toEqual(without);
  });

  it('are found where more have them than are looked up one by one', async () => {
    // Statistics are of eight studies: whatever is asked for seems rare.
    await run(sql`insert into study select r.* from study s, generate_series(1, 900) as n, lateral jsonb_populate_record(s,
      jsonb_build_object('study_instance_uid', '2.25.' || 900000 + n, 'accession_number', 'MANY' || n, 'text_digest', null)) as r
      where s.study_description = 'Thorax 100%' and s.patient_id = 'GR-1'`);
    await writeAll();
    const matches = [{ tag: '00080050', value: '*ANY*' }];
    expect(await find({ level: STUDY, matches })).toHaveLength(900);
    expect(await find({ level: STUDY, matches: [{ tag: '00080050', value: '*ANY77*' }] })).toHaveLength(11);
    await run(sql`delete from study where study_instance_uid like '2.25.900___'`);
  });

  it('are no longer looked for once nobody wants them, nor for longer than a statement may', async () => {
    const plan = planSearch(searchRequest({ level: STUDY, matches: [{ tag: name, value: '*denschei*' }] }));
    const locked = async () =>
      (await sql`select from pg_locks where not granted and relation = 'study_text'::regclass`.execute(database.db))
        .rows.length;
    await database.db.transaction().execute(async (trx) => {
      await sql`lock table study_text in access exclusive mode`.execute(trx);
      const nobody = new AbortController();
      const looking = collect(search(new PostgresSearchStore(database.db), plan, nobody.signal));
      const ended = expect(looking).rejects.toThrow('nobody');
      await expect.poll(locked).toBe(1);
      nobody.abort(new Error('nobody'));
      const abortedAt = performance.now();
      await ended;
      expect(performance.now() - abortedAt).toBeLessThan(4_000);
      await expect.poll(locked).toBe(0);
      await database.db.transaction().execute(async (other) => {
        await sql`set local statement_timeout = '100ms'`.execute(other);
        await sql`savepoint before_search`.execute(other);
        const tooLong = collect(search(new PostgresSearchStore(other), plan));
        await expect(tooLong).rejects.toBeInstanceOf(SearchTooBroadError);
        await sql`rollback to savepoint before_search`.execute(other);
      });
    });
  });

  it('are found at the levels below', async () => {
    const asked = { level: SERIES, matches: [{ tag: name, value: '*denschei*' }] };
    expect((await find(asked)).map((series) => series['0020000E']?.Value)).toEqual([[uid('anna/a')]]);
  });
});

describe('the text of a study', () => {
  beforeEach(clearIndex);
  const rows = async () =>
    (
      await sql<{ text: string; same: boolean }>`
        select t.text, s.text_digest = md5(t.text) as same from study s left join study_text t using (study_instance_uid)
        order by study_instance_uid`.execute(database.db)
    ).rows;

  it('is written with its first instance, and stays where nothing changes', async () => {
    await send(slice('s', 'a', 1));
    const written = async () =>
      (await sql<{ xmin: string }>`select xmin::text as xmin from study_text`.execute(database.db)).rows;
    expect(await rows()).toEqual([{ text: '^muller^anna\t^山田^花子\t^\tP-1\tACC-1\tThorax 100%', same: true }]);
    const before = await written();
    for (const number of [2, 3]) await send(slice('s', 'a', number));
    await send(slice('s', 'a', 1));
    expect(await written()).toEqual(before);
  });

  it('is what the study is known by after a correction', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 1, { PatientID: 'P-2', PatientName: 'Meier^Eva', StudyDescription: 'Abdomen' }), {
      revision: 2,
    });
    expect(await rows()).toEqual([{ text: '^meier^eva\t^\t^\tP-2\tACC-1\tAbdomen', same: true }]);
  });

  it('has nothing of a patient when nothing of the study is shown', async () => {
    await send(slice('s', 'a', 1));
    const outbox = { add: () => Promise.resolve() } as never;
    await database.db
      .transaction()
      .execute((trx) => removeInstance(new PostgresIndexTransaction(trx, outbox, systemClock), uid('s/a/1'), periods));
    expect(await rows()).toEqual([{ text: '^\t^\t^\t\t\t', same: true }]);
  });

  it('is compared with what another version wrote', async () => {
    await send(slice('s', 'a', 1));
    await run(sql`update study set name_key = 'another', patient_name = 'Another'`);
    expect(await writeAll()).toBe(1);
    expect((await rows())[0]?.text).toMatch(/^\^another\t/);
    expect(await writeAll()).toBe(0);
  });

  it('is written by a reindex', async () => {
    await send(slice('s', 'a', 1));
    const before = await rows();
    await forget();
    for await (const _ of reindex().run(0));
    expect(await rows()).toEqual(before);
  });

  it('is left to whoever has locked its study, and nobody waits', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('t', 'a', 1));
    await forget();
    await index(store(slice('s', 'a', 2)), async () => {
      expect(await writeAll()).toBe(1);
    });
    expect((await rows()).map(({ same }) => same)).toEqual([true, true]);
  });

  it('of many studies is written in portions', async () => {
    await send(slice('s', 'a', 1));
    await run(sql`insert into study select (jsonb_populate_record(s, jsonb_build_object(
      'study_instance_uid', '2.25.' || 100000 + n, 'text_digest', null))).* from study s, generate_series(1, 4500) as n`);
    // More than are looked at beside those with grams: each is looked at.
    expect(await find({ level: STUDY, matches: [{ tag: '00080050', value: '*CC-1*' }] })).toHaveLength(4_501);
    const portions: number[] = [];
    for (let more = -1; more !== 0; portions.push(more)) more = await texts().writeSome();
    expect(portions).toEqual([...Array<number>(9).fill(500), 0]);
    expect(await find({ level: STUDY, matches: [{ tag: '00080050', value: '*CC-1*' }] })).toHaveLength(4_501);
  });
});
