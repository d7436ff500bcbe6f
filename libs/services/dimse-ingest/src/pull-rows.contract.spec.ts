import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations } from '@callosum/event-log';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { dimseIngestMigrations } from './adapters/migrations.js';
import { PostgresPulls } from './adapters/postgres-pulls.js';
import type { DimseIngestTables } from './adapters/tables.js';
import { type FoundStudy, issuerNotStatedCode } from './domain/pull.js';

const counts = { remaining: 0, completed: 3, failed: 0, warning: 0 };
const study = (studyInstanceUid: string, more: Partial<FoundStudy> = {}): FoundStudy => ({
  studyInstanceUid,
  instances: 3,
  sopClassUids: [],
  ...more,
});

const fresh = { attempts: 0, awayMs: 0, gave: false };

/** Rows of pulls on a real PostgreSQL. */
describe('the rows of pulls', () => {
  let postgres: TestPostgres;
  let database: Database<DimseIngestTables>;
  let pulls: PostgresPulls;

  beforeAll(async () => {
    postgres = await startPostgres();
    database = connect<DimseIngestTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...dimseIngestMigrations });
    pulls = new PostgresPulls(database);
  });
  afterAll(async () => {
    await database?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await sql`truncate pull cascade`.execute(database.db);
    const selector = { patientId: 'P-1', issuerOfPatientId: 'H' };
    await pulls.request({ source: 'PACS', selector, requestedBy: 'test' }, 10);
  });

  const claim = async () => {
    await sql`update pull set next_attempt_at = now()`.execute(database.db);
    const claimed = await pulls.claim(60_000);
    if (!claimed) throw new Error('nothing is due');
    return claimed;
  };

  it('are claimed one at a time at each source, also in the same moment', async () => {
    for (const patientId of ['P-2', 'P-3', 'P-4'])
      await pulls.request({ source: 'PACS', selector: { patientId }, requestedBy: 'test' }, 10);
    await pulls.request({ source: 'OTHER', selector: { patientId: 'P-1' }, requestedBy: 'test' }, 10);
    await sql`update pull set next_attempt_at = now()`.execute(database.db);
    // All of them are at it before the first has committed.
    await sql`create function dawdle() returns trigger language plpgsql as
      'begin perform pg_sleep(0.2); return new; end'`.execute(database.db);
    await sql`create trigger dawdle before update on pull for each row execute function dawdle()`.execute(database.db);
    await Promise.all(Array.from({ length: 5 }, () => sql`select pg_sleep(0.2)`.execute(database.db)));
    const claimed = await Promise.all(Array.from({ length: 5 }, () => pulls.claim(60_000)));
    await sql`drop trigger dawdle on pull`.execute(database.db);
    expect(claimed.flatMap((one) => one?.source ?? []).sort()).toEqual(['OTHER', 'PACS']);
  });

  it('count a study that is left out as failed, never ask for it, and say why', async () => {
    const claimed = await claim();
    await pulls.found(claimed, [study('1.2.1'), study('1.2.2', { leftOut: issuerNotStatedCode })]);
    expect((await pulls.open(claimed)).map(({ studyInstanceUid }) => studyInstanceUid)).toEqual(['1.2.1']);
    await pulls.studyEnded(claimed, '1.2.1', 'completed', counts);
    await pulls.end(claimed);
    expect(await pulls.find(claimed.id)).toMatchObject({
      ...{ state: 'failed', errorCode: issuerNotStatedCode },
      ...{ found: 2, asked: 1, failedStudies: 1, received: 3 },
    });
  });

  it('say which key the source did not state, the gravest first', async () => {
    const claimed = await claim();
    await pulls.found(claimed, [
      study('1.2.1', { leftOut: 'dimse-ingest.study-date-not-stated' }),
      study('1.2.2', { leftOut: 'dimse-ingest.patient-id-not-stated' }),
    ]);
    expect(await pulls.open(claimed)).toEqual([]);
    await pulls.end(claimed);
    expect(await pulls.find(claimed.id)).toMatchObject({
      ...{ state: 'failed', errorCode: 'dimse-ingest.patient-id-not-stated' },
      ...{ found: 2, asked: 0, failedStudies: 2, received: 0 },
    });
  });

  it('are failed where not all studies were found, though those that were have come', async () => {
    const claimed = await claim();
    await pulls.found(claimed, [study('1.2.1')], 'dimse-ingest.matches-incomplete');
    await pulls.studyEnded(claimed, '1.2.1', 'completed', counts);
    await pulls.end(claimed);
    const incomplete = { state: 'failed', errorCode: 'dimse-ingest.matches-incomplete' };
    expect(await pulls.find(claimed.id)).toMatchObject({ ...incomplete, failedStudies: 0, received: 3 });
  });

  it('name what failed at the source first', async () => {
    const claimed = await claim();
    await pulls.found(claimed, [study('1.2.1'), study('1.2.2', { leftOut: issuerNotStatedCode })]);
    await pulls.studyEnded(claimed, '1.2.1', 'failed', { ...counts, failed: 1 }, 'B000');
    await pulls.end(claimed);
    const incomplete = { state: 'failed', errorCode: 'dimse-ingest.pull-incomplete', failedStudies: 2 };
    expect(await pulls.find(claimed.id)).toMatchObject(incomplete);
  });

  it('know since when the source has been away: not while a pull waits its turn, and anew once something came', async () => {
    await sql`update pull set created_at = now() - interval '3 days'`.execute(database.db);
    const first = await claim();
    expect(await pulls.standing(first)).toEqual(fresh);
    await pulls.later(first, 0, 'dimse.peer-unreachable');
    // Half of the workers leave it to the others.
    expect(await pulls.claim(60_000, 'answering')).toBeUndefined();
    await sql`update pull set away_since = now() - interval '1 hour'`.execute(database.db);
    const second = await claim();
    expect((await pulls.standing(second)).awayMs).toBeGreaterThanOrEqual(3_600_000);
    await pulls.later(second, 0, 'A702');
    const third = await claim();
    expect((await pulls.standing(third)).awayMs).toBeGreaterThanOrEqual(3_600_000);
    await pulls.found(third, [study('1.2.1'), study('1.2.2')]);
    await pulls.later(third, 0, 'A702');
    await sql`update pull set away_since = now() - interval '1 hour'`.execute(database.db);
    const fourth = await claim();
    await pulls.studyEnded(fourth, '1.2.1', 'waiting', counts, 'A702');
    // It goes behind those that were not asked for yet.
    expect((await pulls.open(fourth)).map(({ studyInstanceUid }) => studyInstanceUid)).toEqual(['1.2.2', '1.2.1']);
    await pulls.studyEnded(fourth, '1.2.2', 'completed', counts);
    // At once, for the worker that goes on.
    expect(await pulls.standing(fourth)).toEqual({ ...fresh, gave: true });
    await pulls.later(fourth, 0);
    expect(await pulls.standing(await claim())).toEqual({ ...fresh, gave: true });
  });

  it('count what failed by itself apart from how often it was asked for, until something comes', async () => {
    const claimed = await claim();
    await pulls.found(claimed, [study('1.2.1'), study('1.2.2'), study('1.2.3')]);
    const failures = async () =>
      (await pulls.open(claimed)).map((one) => [one.studyInstanceUid, one.failures] as const);
    await pulls.studyEnded(claimed, '1.2.1', 'again', counts, 'dimse.association-aborted');
    await pulls.studyEnded(claimed, '1.2.2', 'waiting', counts, 'A702');
    expect(await failures()).toEqual([
      ['1.2.3', 0],
      ['1.2.1', 1],
      ['1.2.2', 0],
    ]);
    await pulls.studyEnded(claimed, '1.2.3', 'completed', counts);
    expect(await failures()).toEqual([
      ['1.2.1', 0],
      ['1.2.2', 0],
    ]);
  });

  it('remember the keys of each caller, also of one that joined a pull, until what they asked for is erased', async () => {
    const ask = (requestedBy: string, idempotencyKey: string, accessionNumber = 'A1') =>
      pulls.request({ source: 'PACS', selector: { accessionNumber }, idempotencyKey, requestedBy }, 10);
    const first = await ask('anna', 'k1');
    expect(await ask('ben', 'k2')).toEqual({ id: first.id, isNew: false });
    await pulls.cancel(first.id);
    for (const [caller, key] of [
      ['anna', 'k1'],
      ['ben', 'k2'],
    ] as const)
      expect(await ask(caller, key), caller).toEqual({ id: first.id, isNew: false });
    await expect(ask('ben', 'k2', 'A2')).rejects.toMatchObject({ code: 'dimse-ingest.idempotency-key-reused' });
    // The same word of another caller is another key.
    const others = await ask('anna', 'k2', 'A2');
    expect(others.isNew).toBe(true);
    await sql`update pull set ended_at = now() - interval '8 days' where id = ${first.id}`.execute(database.db);
    await pulls.prune(7, 90);
    // Nothing is known any more of what it asked for: a new pull, not the old one for whatever is asked now.
    expect(await ask('ben', 'k2', 'A3')).toMatchObject({ isNew: true });
  });

  it('keep no more keys of a pull than a client repeats', async () => {
    const selector = { accessionNumber: 'A1' };
    const ask = (idempotencyKey: string) =>
      pulls.request({ source: 'PACS', selector, idempotencyKey, requestedBy: 'anna' }, 10);
    const { id } = await ask('first');
    await sql`insert into pull_key (subject, key, pull_id)
      select 'anna', 'k' || n, ${id} from generate_series(1, 99) n`.execute(database.db);
    await ask('last');
    const { rows } = await sql<{ keys: number }>`select count(*)::int as keys from pull_key`.execute(database.db);
    expect(rows).toEqual([{ keys: 100 }]);
    expect(await ask('last')).toEqual({ id, isNew: false });
  });
});
