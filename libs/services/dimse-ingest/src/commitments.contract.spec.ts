import { setTimeout as sleep } from 'node:timers/promises';

import { ArchiveUnavailableError } from '@callosum/archive';
import { connect, type Database, migrate } from '@callosum/database';
import { AssociationAbortedError } from '@callosum/dimse';
import { eventTablesMigrations } from '@callosum/event-log';
import { errorCode } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { CommitmentTables } from './adapters/commitment-tables.js';
import { dimseIngestMigrations } from './adapters/migrations.js';
import { PostgresAskedCommitments } from './adapters/postgres-asked-commitments.js';
import { PostgresCommitments } from './adapters/postgres-commitments.js';
import { ReportCommitments } from './application/report-commitments.js';
import { TakeCommitment } from './application/take-commitment.js';

/** Waiting reports as rows of a real PostgreSQL. */
describe('commitments', () => {
  let postgres: TestPostgres;
  let database: Database<CommitmentTables>;
  let commitments: PostgresCommitments;

  beforeAll(async () => {
    postgres = await startPostgres();
    database = connect<CommitmentTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...dimseIngestMigrations });
    commitments = new PostgresCommitments(database);
  });
  afterAll(async () => {
    await database?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await sql`truncate commitment, commitment_requestor, commitment_asked`.execute(database.db);
  });

  const references = [{ sopClassUid: '1.2.1', sopInstanceUid: '1.9.1' }];
  const take = (transactionUid: string, callingAet = 'CT1', more: typeof references = [], holdMs = 0) =>
    new TakeCommitment(commitments).execute(
      { transactionUid, references: [...references, ...more] },
      { associationId: 'a1', callingAet },
      holdMs,
    );

  it('wait for their association first, and are then anybody’s, one requestor at a time', async () => {
    const { id } = await take('1.1', 'CT1', [], 60_000);
    expect(await commitments.claim(1_000)).toBeUndefined();
    await commitments.letGo(id);
    await take('1.2', 'CT2');
    const first = await commitments.claim(60_000);
    const second = await commitments.claim(60_000);
    expect([first?.aet, second?.aet].sort()).toEqual(['CT1', 'CT2']);
    expect(await commitments.claim(60_000)).toBeUndefined();
    expect(await commitments.find(id)).toMatchObject({ transactionUid: '1.1', references, isDuplicate: false });
  });

  it('are claimed once by workers that race', async () => {
    for (let n = 0; n < 5; n++) await take(`1.${n}`, `CT${n}`);
    const claims = await Promise.all(Array.from({ length: 12 }, () => commitments.claim(60_000)));
    expect(claims.flatMap((claim) => claim?.aet ?? []).sort()).toEqual(['CT0', 'CT1', 'CT2', 'CT3', 'CT4']);
  });

  it('of a worker whose lease ran out are recorded by the next one alone', async () => {
    const { id } = await take('1.1');
    const slow = await commitments.claim(0);
    if (!slow) throw new Error('nothing was due');
    const next = await commitments.claim(60_000);
    expect(next).toMatchObject({ aet: 'CT1', fence: slow.fence + 1 });
    await expect(commitments.reported(slow, id)).rejects.toMatchObject({ code: 'dimse-ingest.claim-lost' });
    await expect(commitments.next(slow, 1_000)).rejects.toMatchObject({ code: 'dimse-ingest.claim-lost' });
    await commitments.release(slow, { errorCode: 'x', pauseMs: 600_000 });
    if (!next) throw new Error('nothing was due');
    await commitments.reported(next, id);
    expect(await commitments.next(next, 1_000)).toBeUndefined();
    await commitments.release(next);
    expect(await commitments.counts()).toMatchObject({ waiting: 0, givenUp: 0 });
  });

  it('pause with their requestor, and go on when it asks again', async () => {
    await take('1.1');
    const claim = await commitments.claim(60_000);
    if (!claim) throw new Error('nothing was due');
    await commitments.release(claim, { errorCode: 'dimse.peer-unreachable', pauseMs: 600_000 });
    expect(await commitments.claim(60_000)).toBeUndefined();
    await take('1.2');
    expect(await commitments.claim(60_000)).toMatchObject({ aet: 'CT1', attempts: 1 });
  });

  it('one that is refused delays no other of its requestor', async () => {
    const { id } = await take('1.1');
    await take('1.2');
    const claim = await commitments.claim(60_000);
    if (!claim) throw new Error('nothing was due');
    await commitments.refused(claim, id, 'dimse-ingest.report-refused', 600_000);
    expect(await commitments.next(claim, 1_000)).toMatchObject({ transactionUid: '1.2' });
    expect(await commitments.find(id)).toMatchObject({ attempts: 1 });
  });

  it('one that its requestor breaks off at, or is silent at, goes behind the others', async () => {
    await take('1.1');
    await take('1.2');
    await take('1.3');
    const taken: string[] = [];
    const requestors = {
      open: () =>
        Promise.resolve({
          report: ({ transactionUid }: { readonly transactionUid: string }) =>
            transactionUid === '1.1'
              ? Promise.reject(new AssociationAbortedError('a UID it does not know'))
              : Promise.resolve(void taken.push(transactionUid)),
          close: () => Promise.resolve(),
        }),
    };
    const kept = { classesOf: () => Promise.resolve(new Map([['1.9.1', new Set(['1.2.1'])]])) };
    const reports = new ReportCommitments(commitments, kept, requestors, 'CALLOSUM');
    for (let turn = 0; turn < 2; turn++) {
      const claim = await commitments.claim(60_000);
      if (!claim) throw new Error('nothing was due');
      await reports.toRequestor(claim, () => undefined);
      // Its pause is over.
      await sql`update commitment_requestor set next_attempt_at = now()`.execute(database.db);
    }
    expect(taken).toEqual(['1.2', '1.3']);
    const { rows } = await sql`
      select attempts, error_code from commitment where transaction_uid = '1.1' and due_at > now()`.execute(
      database.db,
    );
    expect(rows).toEqual([{ attempts: 1, error_code: 'dimse.association-aborted' }]);
  });

  it('one that the archive cannot judge now waits, behind the others, and nothing is said of it', async () => {
    await take('1.1');
    await take('1.2');
    const told: string[] = [];
    const channel = {
      report: ({ transactionUid }: { readonly transactionUid: string }) =>
        Promise.resolve(void told.push(transactionUid)),
      close: () => Promise.resolve(),
    };
    let asked = 0;
    const kept = {
      classesOf: () =>
        asked++ === 0
          ? Promise.reject(new ArchiveUnavailableError('the object store does not answer'))
          : Promise.resolve(new Map([['1.9.1', new Set(['1.2.1'])]])),
    };
    const reports = new ReportCommitments(commitments, kept, { open: () => Promise.resolve(channel) }, 'CALLOSUM');
    for (let turn = 0; turn < 2; turn++) {
      const claim = await commitments.claim(60_000);
      if (!claim) throw new Error('nothing was due');
      await reports.toRequestor(claim, () => undefined);
      // Its pause is over.
      await sql`update commitment_requestor set next_attempt_at = now()`.execute(database.db);
    }
    expect(told).toEqual(['1.2']);
    const { rows } = await sql`
      select attempts, error_code from commitment where transaction_uid = '1.1' and due_at > now()`.execute(
      database.db,
    );
    expect(rows).toEqual([{ attempts: 1, error_code: 'archive.unavailable' }]);
  });

  it('are told again when they are asked for again, and are duplicates with other instances', async () => {
    const { id, as } = await take('1.1');
    await commitments.reportedHere(id);
    expect([as, await take('1.1')]).toEqual(['new', { id, as: 'repeated' }]);
    expect(await commitments.find(id)).toMatchObject({ isDuplicate: false });
    const other = await take('1.1', 'CT1', [{ sopClassUid: '1.2.1', sopInstanceUid: '1.9.2' }]);
    expect(other.as).toBe('duplicate');
    expect(await commitments.find(other.id)).toMatchObject({ isDuplicate: true });
    // Another requestor chooses its own.
    expect((await take('1.1', 'CT2')).as).toBe('new');
    const racing = await Promise.all(Array.from({ length: 8 }, () => take('1.7')));
    expect(racing.filter((one) => one.as === 'new')).toHaveLength(1);
    expect(new Set(racing.map((one) => one.id)).size).toBe(1);
  });

  it('are given up after their age, forgotten after their retention, and no more than a limit', async () => {
    await take('1.1');
    const { id } = await take('1.2');
    await sql`update commitment set requested_at = now() - interval '73 hours' where transaction_uid = '1.1'`.execute(
      database.db,
    );
    expect((await commitments.counts()).oldestSeconds).toBeGreaterThan(72 * 3_600);
    expect(await commitments.giveUp(72 * 3_600_000)).toEqual([{ aet: 'CT1', transactionUid: '1.1', errorCode: '' }]);
    expect(await commitments.counts()).toMatchObject({ waiting: 1, givenUp: 1 });
    await commitments.reportedHere(id);
    await sql`update commitment set ended_at = now() - interval '31 days'`.execute(database.db);
    expect(await commitments.forget(30)).toBe(2);
    const few = new TakeCommitment(new PostgresCommitments(database, { requests: 1, references: 10 }));
    const ask = () => few.execute({ transactionUid: '1.3', references }, { associationId: 'a1', callingAet: 'X' }, 0);
    await ask();
    await expect(ask()).rejects.toMatchObject({ code: 'dimse-ingest.too-many-commitments', kind: 'unavailable' });
  });

  it('keep their references only while they wait', async () => {
    const stored = async () =>
      (await database.db.selectFrom('commitment').select(['sop_references', 'reference_count']).execute()).map(
        (row) => [row.sop_references.length, row.reference_count],
      );
    const { id } = await take('1.1');
    expect(await stored()).toEqual([[1, 1]]);
    await commitments.reportedHere(id);
    expect(await stored()).toEqual([[0, 0]]);
    // It comes again, and is reported with all of it.
    await take('1.1');
    expect(await commitments.find(id)).toMatchObject({ references });
    await sql`update commitment set requested_at = now() - interval '73 hours'`.execute(database.db);
    await commitments.giveUp(72 * 3_600_000);
    expect(await stored()).toEqual([[0, 0]]);
  });

  it('of one requestor leave room for the others', async () => {
    const all = { requests: 10, references: 12 };
    const few = new TakeCommitment(new PostgresCommitments(database, all, { requests: 2, references: 5 }));
    let asked = 0;
    const ask = (callingAet: string, count: number) => {
      const uids = Array.from({ length: count }, (_, n) => ({ sopClassUid: '1.2.1', sopInstanceUid: `1.9.${n}` }));
      const request = { transactionUid: `1.1.${asked++}`, references: uids };
      return few.execute(request, { associationId: 'a1', callingAet }, 0).then(({ as }) => as, errorCode);
    };
    const full = 'dimse-ingest.too-many-commitments';
    expect([await ask('A', 1), await ask('A', 1), await ask('A', 1)]).toEqual(['new', 'new', full]);
    expect([await ask('B', 6), await ask('B', 4), await ask('B', 2), await ask('B', 1)]).toEqual([
      full,
      'new',
      full,
      'new',
    ]);
    // 7 of all wait.
    expect([await ask('C', 5), await ask('D', 1)]).toEqual(['new', full]);
  });

  it('keep their requestor while one is being taken, whatever is forgotten meanwhile', async () => {
    const { id } = await take('1.1');
    await commitments.reportedHere(id);
    await sql`update commitment set ended_at = now() - interval '31 days'`.execute(database.db);
    const forgetting = await database.db.transaction().execute(async (trx) => {
      // As `take` does: the row of the requestor, then the request.
      await sql`update commitment_requestor set next_attempt_at = now() where aet = 'CT1'`.execute(trx);
      const all = commitments.forget(30);
      await untilWaiting();
      await sql`insert into commitment (id, aet, transaction_uid, digest, is_duplicate, sop_references, state, due_at,
        association_id) values (gen_random_uuid(), 'CT1', '1.2', 'd', false, '[]', 'waiting', now(), 'a1')`.execute(
        trx,
      );
      return { all };
    });
    await forgetting.all;
    expect(await commitments.claim(60_000)).toMatchObject({ aet: 'CT1' });
  });

  /** Somebody waits for a row that another has changed. */
  async function untilWaiting(): Promise<void> {
    for (;;) {
      const { rows } = await sql<{ waits: boolean }>`
        select exists (select 1 from pg_locks where not granted) as waits`.execute(database.db);
      if (rows[0]?.waits) return;
      await sleep(20);
    }
  }

  it('asked of others keep the first report, and know no other', async () => {
    const asked = new PostgresAskedCommitments(database);
    await asked.add({ transactionUid: '1.5', aet: 'PACS', references });
    const report = { transactionUid: '1.5', committed: references, failed: [] };
    const failed = references.map((one) => ({ ...one, failureReason: 0x0112 }));
    // Of others than who was asked, of other instances, of some only, of another transaction.
    expect(await asked.reported('CT1', report)).toBe(false);
    const other = { sopClassUid: references[0]?.sopClassUid ?? '', sopInstanceUid: '1.2.99' };
    expect(await asked.reported('PACS', { ...report, committed: [...references, other] })).toBe(false);
    expect(await asked.reported('PACS', { ...report, committed: references.slice(1) })).toBe(false);
    expect(await asked.reported('PACS', { ...report, transactionUid: '1.6' })).toBe(false);
    expect(await asked.reportOf('1.5')).toBeUndefined();
    expect(await asked.reported('PACS', report)).toBe(true);
    expect(await asked.reported('PACS', { ...report, committed: [], failed })).toBe(true);
    expect(await asked.reportOf('1.5')).toEqual(report);
  });
});
