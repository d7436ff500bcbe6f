import { PostgresOutbox } from '@callosum/event-log';
import { newId, systemClock } from '@callosum/kernel';
import { rejectionNote } from '@callosum/phantom';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresFactStore } from './adapters/fact-store.js';
import { IndexFacts, type StoredFact } from './application/index-facts.js';
import type { InstanceRecord, StoredInstance } from './domain/instance.js';
import { multiFrame, reader, slice, store, uid } from './test-support/objects.js';
import {
  changes,
  clearIndex,
  complete,
  database,
  grpc,
  index,
  periods,
  sweep,
  useIndex,
} from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

/** What was asked for by those who index, in its order. */
const asked: string[] = [];
beforeEach(() => void asked.splice(0));

const indexing = (): IndexFacts =>
  new IndexFacts({
    facts: new PostgresFactStore(
      database,
      new PostgresOutbox({ service: 'study-index' }),
      systemClock,
      periods.releasedQuietPeriodMs,
    ),
    blobs: { ...reader, shown: () => Promise.resolve([]) },
    periods,
    obeyNote: async ({ sopInstanceUid }: InstanceRecord) => {
      const { rows } = await sql<{ count: string }>`select count(*) from instance`.execute(database.db);
      asked.push(`${sopInstanceUid} after ${rows[0]?.count ?? ''}`);
    },
    memory: {
      hold: (byteCount, work) => {
        asked.push(`hold ${byteCount}`);
        return work();
      },
    },
    onGone: () => undefined,
    onIndexed: () => undefined,
  });
const factOf = (stored: StoredInstance, revisionFloor = 0): StoredFact => ({
  fact: { id: newId(), correlationId: 'a1' },
  stored,
  revisionFloor,
});
const slices = (count: number, from = 1): StoredInstance[] =>
  Array.from({ length: count }, (_, i) => store(slice('s', i % 2 ? 'a' : 'b', from + i)));

/** How many instances each transaction has written. */
async function transactions(): Promise<number[]> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::integer as count from instance group by xmin::text order by 1`.execute(database.db);
  return rows.map(({ count }) => count);
}

/** All that the index holds, but for the times it was written at. */
async function held(): Promise<unknown> {
  const tables = await Promise.all([
    sql`select to_jsonb(s) - 'quiet_until' - 'correlation_id' as row from study s order by 1`.execute(database.db),
    sql`select to_jsonb(s) as row from series s order by 1`.execute(database.db),
    sql`select to_jsonb(i) - 'seen_at' as row from instance i order by i.sop_instance_uid`.execute(database.db),
    sql`select to_jsonb(p) as row from patient p order by 1`.execute(database.db),
  ]);
  return tables.map(({ rows }) => rows);
}

describe('instances of one study that come together', () => {
  it('are indexed as they would have been one by one, and the study is told of once', async () => {
    const stored = slices(12);
    await indexing().index(stored.map((one) => factOf(one)));
    const together = await held();
    expect(await changes()).toEqual(['created 1']);
    expect(await sweep(), 'its quiet period has begun').toBe(0);
    await complete();
    expect(await changes()).toEqual(['completed 1']);
    await sql`truncate patient, study, series, instance cascade`.execute(database.db);
    for (const one of stored) await index(one);
    expect(together).toEqual(await held());
  });

  it('take effect once each, also where some came before', async () => {
    const facts = slices(6).map((one) => factOf(one));
    await indexing().index(facts.slice(0, 2));
    await indexing().index(facts);
    await indexing().index(facts);
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series.map(({ instances }) => instances.length)).toEqual([3, 3]);
    expect(await changes()).toEqual(['created 1']);
    const { rows } = await sql`select event_id from inbox`.execute(database.db);
    expect(rows).toHaveLength(6);
  });

  it('open the next revision of a study that was complete, once', async () => {
    await indexing().index(slices(2).map((one) => factOf(one)));
    await complete();
    await indexing().index(slices(4, 3).map((one) => factOf(one)));
    await complete();
    expect(await changes()).toEqual(['created 1', 'completed 1', 'reopened 2', 'completed 2']);
  });

  it('leave a complete study alone where their bytes are known', async () => {
    const stored = slices(3);
    await indexing().index(stored.map((one) => factOf(one)));
    await complete();
    await indexing().index(stored.map((one) => factOf(one)));
    expect(await changes()).toEqual(['created 1', 'completed 1']);
  });

  it('reach the highest revision that a recovery asks for', async () => {
    const [a, b, c] = slices(3);
    if (!a || !b || !c) throw new Error('no slices');
    await indexing().index([factOf(a), factOf(b, 300), factOf(c, 200)]);
    expect(await changes()).toEqual(['created 300']);
  });

  it('say whose the study is when all of them are in', async () => {
    await indexing().index([
      factOf(store(slice('s', 'a', 1))),
      factOf(store(slice('s', 'a', 2, { PatientID: 'P-2', PatientName: 'Other^One' }))),
    ]);
    const { rows } = await sql`select inconsistent from study`.execute(database.db);
    expect(rows).toEqual([{ inconsistent: true }]);
    expect(await changes()).toEqual(['created 1']);
  });

  it.each([
    [
      'is withheld',
      async (one: StoredInstance) => {
        await sql`insert into withheld_instance (study_instance_uid, sop_instance_uid, series_instance_uid, sequence,
        withheld, received) values (${one.studyInstanceUid}, ${one.sopInstanceUid}, ${one.seriesInstanceUid}, 1, true,
        false)`.execute(database.db);
      },
    ],
    [
      'was in another study before',
      async (one: StoredInstance) => {
        await index(store(slice('t', 'a', 1, { SOPInstanceUID: one.sopInstanceUid })));
      },
    ],
  ])('come one by one where one of them %s: nothing is written of the others', async (_which, before) => {
    const [a, b] = slices(2);
    if (!a || !b) throw new Error('no slices');
    await before(b);
    const known = await held();
    const facts = [factOf(a), factOf(b)];
    await expect(indexing().index(facts)).rejects.toMatchObject({ code: 'study-index.not-together' });
    expect(await held()).toEqual(known);
    expect(await sql`select 1 from inbox`.execute(database.db)).toMatchObject({ rows: [] });
    for (const one of facts) await indexing().index([one]);
    const { rows } = await sql<{ uid: string }>`select sop_instance_uid as uid from instance
      where study_instance_uid = ${a.studyInstanceUid}`.execute(database.db);
    expect(rows.map((row) => row.uid)).toContain(a.sopInstanceUid);
  });

  it('come one by one where the same instance is there twice, or some of them were issued here', async () => {
    const twice = store(slice('s', 'a', 1));
    await expect(indexing().index([factOf(twice), factOf({ ...twice, instanceRevision: 2 })])).rejects.toMatchObject({
      code: 'study-index.not-together',
    });
    const issued = store(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    await expect(indexing().index([factOf(twice), factOf(issued)])).rejects.toMatchObject({
      code: 'study-index.not-together',
    });
  });

  it('are in the index before a note among them is obeyed, and what follows it comes after', async () => {
    const [a, b, c] = slices(3);
    if (!a || !b || !c) throw new Error('no slices');
    const note = store(rejectionNote({ studyInstanceUid: uid('s'), references: [a] }).bytes);
    await indexing().index([a, b, note, c].map((one) => factOf(one)));
    expect(asked.filter((line) => !line.startsWith('hold'))).toEqual([
      `${a.sopInstanceUid} after 0`,
      `${b.sopInstanceUid} after 0`,
      `${note.sopInstanceUid} after 2`,
      `${c.sopInstanceUid} after 3`,
    ]);
  });

  it('share the memory of their headers while they are read, and are written by one transaction', async () => {
    const pixels = { Rows: 512, Columns: 1024, PixelData: new Uint8Array(1024 * 1024) };
    const large = Array.from({ length: 5 }, (_, i) => store(slice('s', 'a', i, pixels)));
    await indexing().index(large.map((one) => factOf(one)));
    // Some 16 MiB each.
    const shares = [large.slice(0, 3), large.slice(3)].map((some) =>
      some.reduce((sum, { blob }) => sum + 16 * blob.byteCount, 0),
    );
    expect(asked.filter((line) => line.startsWith('hold'))).toEqual(shares.map((bytes) => `hold ${bytes}`));
    expect(await transactions()).toEqual([5]);
  });

  it('do not wait for each other with much metadata in memory', async () => {
    const long = Array.from({ length: 5 }, (_, i) => store(slice('s', 'a', i, { TextValue: 'x'.repeat(900_000) })));
    await indexing().index(long.map((one) => factOf(one)));
    expect(await transactions()).toEqual([1, 4]);
    expect(await changes()).toEqual(['created 1']);
  });

  it('nor with where their many frames are', async () => {
    const frames = Array.from({ length: 12_000 }, () => new Uint8Array(360));
    await indexing().index([1, 2].map((number) => factOf(store(multiFrame('s', 'a', number, frames)))));
    expect(await transactions()).toEqual([1, 1]);
  });
});
