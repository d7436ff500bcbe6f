import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { blobs, ledger, slice, uid } from './test-support/objects.js';
import {
  changes,
  clearIndex,
  collect,
  complete,
  database,
  events,
  grpc,
  letPass,
  periods,
  reindex,
  send,
  sweep,
  useIndex,
} from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

/** Everything the index says about its content; when a study completed and its revision are history, not content. */
async function content(): Promise<unknown> {
  const tables = ['patient', 'study', 'series', 'instance'] as const;
  const history = [
    'seen_at',
    'completed_at',
    'quiet_until',
    'traceparent',
    'correlation_id',
    'revision',
    'told_revision',
  ];
  const result: Record<string, unknown> = {};
  for (const table of tables) {
    const { rows } = await sql<{
      row: Record<string, unknown>;
    }>`select to_jsonb(t) as row from ${sql.table(table)} t order by 1`.execute(database.db);
    result[table] = rows.map(({ row }) =>
      Object.fromEntries(Object.entries(row).filter(([name]) => !history.includes(name))),
    );
  }
  return result;
}

describe('reindex', () => {
  async function fill(): Promise<void> {
    for (let number = 1; number <= 4; number++) await send(slice('s', 'a', number));
    await send(slice('s', 'a', 2, { PatientName: 'Müller^Anne' }), { revision: 2 });
    await send(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    await send(slice('t', 'a', 1, { PatientID: 'P-9' }), { source: 'MR2' });
    await send(slice('t', 'a', 2), { source: 'CT1' });
    await letPass(periods.quietPeriodMs);
    await sweep();
  }

  it('of an empty index gives what the events gave', async () => {
    await fill();
    const before = await content();
    await sql`truncate patient, study, series, instance, release, revision cascade`.execute(database.db);
    const progress = await collect(reindex().run(0));
    expect(progress.at(-1)).toMatchObject({ done: 7, total: 7, failed: 0 });
    await letPass(periods.quietPeriodMs);
    await sweep();
    expect(await content()).toEqual(before);
  });

  it('of a whole index changes nothing and tells nobody', async () => {
    await fill();
    await events();
    const before = await content();
    await collect(reindex().run(0));
    expect(await content()).toEqual(before);
    expect(await events()).toEqual([]);
  });

  it('repairs rows that are wrong, missing or too many, and keeps revisions rising', async () => {
    await fill();
    const before = await content();
    await send(slice('s', 'stray', 1));
    await complete();
    await sql`update series set modality = 'XX'`.execute(database.db);
    await sql`update study set study_description = 'wrong', attributes = '{}'`.execute(database.db);
    await sql`delete from instance where sop_instance_uid = ${uid('s/a/3')}`.execute(database.db);
    ledger.delete(uid('s/stray/1'));
    await collect(reindex().run(0));
    await complete();
    expect(await content()).toEqual(before);
    expect((await grpc().getStudy({ studyInstanceUid: uid('s') })).study.revision).toBeGreaterThan(2);
  });

  it('of a study that was at revision 3 goes on above it, so that nobody who knows of 3 ignores what comes', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    for (const late of ['b', 'c']) {
      await send(slice('s', late, 1));
      await complete();
    }
    expect((await changes()).at(-1)).toBe('completed 3');
    const told: number[] = [3];
    for (let loss = 0; loss < 2; loss++) {
      await sql`truncate patient, study, series, instance, release, revision cascade`.execute(database.db);
      // An instance that comes before anyone rebuilds makes the study known again, far below.
      if (loss === 1) await send(slice('s', 'early', loss));
      await collect(reindex().run(0));
      await complete();
      await send(slice('s', `late-${loss}`, 1));
      await complete();
      for (const { topic, value } of await events())
        if (topic === 'imaging.study.completed.v1') told.push(Number(value['revision']));
    }
    expect(told).toHaveLength(5);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(new Set(told).size).toBe(5);
  });

  it('of an index that lacks an instance raises the revision of its study, and of no other', async () => {
    await fill();
    const revisionOf = async (study: string) =>
      (await grpc().getStudy({ studyInstanceUid: uid(study) })).study.revision;
    const before = await revisionOf('t');
    await sql`delete from instance where sop_instance_uid = ${uid('s/a/3')}`.execute(database.db);
    await collect(reindex().run(0));
    expect(await revisionOf('s')).toBeGreaterThanOrEqual(100_000);
    expect(await revisionOf('t')).toBe(before);
  });

  it('passes over an unreadable object and says so', async () => {
    await fill();
    const broken = ledger.get(uid('t/a/1'));
    if (broken) blobs.set(broken.blob.key, new Uint8Array(broken.blob.byteCount));
    const before = await content();
    expect((await collect(reindex().run(0))).at(-1)).toMatchObject({ done: 7, failed: 1 });
    expect(await content()).toEqual(before);
  });
});
