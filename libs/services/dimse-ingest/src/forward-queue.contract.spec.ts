import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { claimRows, retriedPage } from './adapters/forward-rows.js';
import { dimseIngestMigrations } from './adapters/migrations.js';
import { PostgresForwardQueue } from './adapters/postgres-forward-queue.js';
import { PostgresForwardingRules } from './adapters/postgres-forwarding-rules.js';
import type { DimseIngestTables } from './adapters/tables.js';
import type { ForwardableInstance } from './domain/forwarding-rule.js';
import { forwardingRuleInput } from './settings-forwarding.js';

const leaseMs = 60_000;
const limits = { leaseMs, itemsMax: 10, claimsMax: 4 };

/** Queues of forwarding on a real PostgreSQL. */
describe('the queues of forwarding', () => {
  let postgres: TestPostgres;
  let database: Database<DimseIngestTables>;
  let queue: PostgresForwardQueue;

  beforeAll(async () => {
    postgres = await startPostgres();
    database = connect<DimseIngestTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...dimseIngestMigrations });
    queue = new PostgresForwardQueue(database);
  });
  afterAll(async () => {
    await database?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await sql`truncate forward_queue, forward_destination, forward_lease, inbox`.execute(database.db);
  });

  const add = (sopInstanceUid: string, { study = '1.2', revision = 1, eventId = newId(), to = ['PACS'] } = {}) =>
    queue.add(
      { eventId },
      {
        studyInstanceUid: study,
        sopInstanceUid,
        sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
        transferSyntaxUid: '1.2.840.10008.1.2.1',
        revision,
        source: 'CT1',
        issuedByCallosum: false,
      },
      to.map((destination) => ({ destination, transcode: true })),
    );
  const claim = async () => {
    const batch = await queue.claim('PACS', limits);
    if (!batch) throw new Error('nothing is due');
    return batch;
  };
  const states = async () => {
    const { rows } = await sql<{ state: string }>`select state from forward_queue order by id`.execute(database.db);
    return rows.map(({ state }) => state);
  };

  it('take a fact once, and an instance once whichever fact tells it', async () => {
    const eventId = newId();
    expect(await add('1.2.1', { eventId, to: ['PACS', 'OTHER'] })).toBe(2);
    expect(await add('1.2.1', { eventId, to: ['PACS', 'OTHER'] })).toBe(0);
    expect(await add('1.2.1')).toBe(0);
    expect(await add('1.2.1', { revision: 2 })).toBe(1);
  });

  it('give each instance to one worker, a study at a time', async () => {
    for (let i = 0; i < 30; i++) await add(`1.2.${i}`, { study: i % 2 ? '1.2' : '1.3' });
    const batches = await Promise.all([1, 2, 3, 4].map(() => queue.claim('PACS', limits)));
    const items = batches.flatMap((batch) => batch?.items ?? []);
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
    for (const batch of batches)
      expect(new Set(batch?.items.map(({ studyInstanceUid }) => studyInstanceUid)).size).toBeLessThanOrEqual(1);
    while (await queue.claim('PACS', { ...limits, claimsMax: 30 }));
    expect(await queue.due()).toEqual([]);
  });

  it('let no more be at it than the destination takes, until they are done', async () => {
    for (const uid of ['1.2.1', '1.2.2', '1.2.3']) await add(uid);
    const one = { leaseMs, itemsMax: 1, claimsMax: 1 };
    const first = await queue.claim('PACS', one);
    expect(await queue.claim('PACS', one)).toBeUndefined();
    expect(await queue.claim('PACS', { ...one, claimsMax: 2 })).toBeDefined();
    await sql`update forward_queue set lease_until = now() - interval '1 s'`.execute(database.db);
    await sql`update forward_lease set lease_until = now() - interval '1 s'`.execute(database.db);
    expect(first?.items).toHaveLength(1);
    expect(await queue.claim('PACS', one)).toBeDefined();
    if (first) expect(await queue.renew(first, [], leaseMs)).toBe(false);
  });

  it('keep the place of a worker that has sent all, until it leaves: what comes is for that one', async () => {
    const one = { leaseMs, itemsMax: 10, claimsMax: 1 };
    await add('1.2.1');
    const first = await queue.claim('PACS', one);
    if (!first) throw new Error('nothing is due');
    for (const sent of first.items) await queue.end(first, sent, 'sent');
    expect(await queue.next(first, one)).toBeUndefined();
    await add('1.2.2', { study: '1.3' });
    expect(await queue.claim('PACS', one)).toBeUndefined();
    const further = await queue.next(first, one);
    expect(further).toMatchObject({ fence: first.fence, items: [{ sopInstanceUid: '1.2.2' }] });
    await queue.giveBack(first, further?.items ?? []);
    await queue.release(first);
    expect(await queue.next(first, one)).toBeUndefined();
    expect((await queue.claim('PACS', one))?.items).toHaveLength(1);
  });

  it('count a worker of the version before by the instances it has', async () => {
    const one = { leaseMs, itemsMax: 1, claimsMax: 1 };
    await add('1.2.1');
    await add('1.2.2');
    await queue.claim('PACS', one);
    await sql`truncate forward_lease`.execute(database.db);
    expect(await queue.claim('PACS', one)).toBeUndefined();
    expect(await queue.claim('PACS', { ...one, claimsMax: 2 })).toBeDefined();
  });

  it('tell how an instance stands that its destination refused, and how many others it did', async () => {
    for (const uid of ['1.2.1', '1.2.2']) await add(uid);
    await queue.destinationAnswered('PACS');
    const batch = await claim();
    const [odd] = batch.items;
    if (!odd) throw new Error('nothing is due');
    const refusal = { code: 'A700', delayMs: 30_000, refusal: 'answer' } as const;
    const refused = (again: boolean) =>
      queue.destinationRefused('PACS', { ...refusal, end: 'away', attempted: false, again });
    await queue.later(batch, odd, { code: '0110', delayMs: 0, attempted: false });
    expect(await queue.standing(batch, odd)).toEqual({ since: 'never', refused: 0 });
    await queue.later(batch, odd, { ...refusal, attempted: false });
    await refused(false);
    await refused(true);
    expect(await queue.standing(batch, odd)).toEqual({ since: 'again', refused: 1 });
    await queue.destinationAnswered('PACS');
    expect(await queue.standing(batch, odd)).toEqual({ since: 'passed', refused: 0 });
    await queue.later(batch, odd, { ...refusal, attempted: true });
    expect((await queue.standing(batch, odd)).since).toBe('again');
    const { rows } = await sql`select attempts, error_code from forward_queue where id = ${odd.id}`.execute(
      database.db,
    );
    expect(rows).toEqual([{ attempts: 1, error_code: 'A700' }]);
  });

  it('let no more be at it than the destination takes when all ask at the same moment', async () => {
    for (let i = 0; i < 8; i++) await add(`1.2.${i}`, { study: `1.2.9.${i}` });
    const one = { leaseMs, itemsMax: 1, claimsMax: 1 };
    const batches = await Promise.all(Array.from({ length: 8 }, () => queue.claim('PACS', one)));
    expect(batches.filter((batch) => batch !== undefined)).toHaveLength(1);
  });

  it('let nobody write whose lease ran out and whose instances another one has', async () => {
    await add('1.2.1');
    const first = await claim();
    await sql`update forward_queue set lease_until = now() - interval '1 s'`.execute(database.db);
    const second = await claim();
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await queue.renew(first, first.items, leaseMs)).toBe(false);
    const [item] = first.items;
    if (item) await queue.end(first, item, 'failed', 'C000');
    expect(await states()).toEqual(['waiting']);
    for (const mine of second.items) await queue.end(second, mine, 'sent');
    expect(await states()).toEqual(['sent']);
  });

  it('stay with a worker whose instances end while it renews them, until another one has any of them', async () => {
    for (const uid of ['1.2.1', '1.2.2', '1.2.3']) await add(uid);
    const first = await claim();
    const [sent, failed, left] = first.items;
    if (!sent || !failed || !left) throw new Error('nothing is due');
    await queue.end(first, sent, 'sent');
    await queue.end(first, failed, 'failed', 'C000');
    // Asked for with what was left before these two ended.
    await sql`update forward_queue set lease_until = now() + interval '1 s' where id = ${left.id}`.execute(database.db);
    expect(await queue.renew(first, first.items, leaseMs)).toBe(true);
    const { rows } = await sql<{ long: boolean }>`
      select lease_until > now() + interval '30 s' as long from forward_queue where id = ${left.id}`.execute(
      database.db,
    );
    expect(rows).toEqual([{ long: true }]);
    await sql`update forward_queue set lease_until = now() - interval '1 s' where id = ${left.id}`.execute(database.db);
    const second = await claim();
    expect(second.items.map(({ id }) => id)).toEqual([left.id]);
    expect(await queue.renew(first, first.items, leaseMs)).toBe(false);
    await queue.end(second, left, 'sent');
    expect(await queue.renew(first, first.items, leaseMs)).toBe(false);
  });

  it('leave a destination alone that takes nothing, however many workers find it so', async () => {
    await add('1.2.1', { to: ['PACS', 'OTHER'] });
    const pauses = await Promise.all(
      [1, 2, 3].map(() => queue.destinationAway('PACS', 'dimse.peer-unreachable', 'unreached')),
    );
    expect(pauses.filter((pause) => pause !== undefined)).toHaveLength(1);
    expect(await queue.due()).toEqual(['OTHER']);
    expect(await queue.claim('PACS', limits)).toBeUndefined();
    await sql`update forward_destination set next_attempt_at = now() - interval '1 s'`.execute(database.db);
    expect(await queue.destinationAway('PACS', 'dimse.peer-unreachable', 'unreached')).toBeGreaterThanOrEqual(8_000);
    expect(await queue.states()).toMatchObject([
      { destination: 'OTHER', waiting: 1, nextAttemptAt: undefined },
      {
        destination: 'PACS',
        waiting: 1,
        lastErrorCode: 'dimse.peer-unreachable',
        nextAttemptAt: expect.any(Date) as unknown,
      },
    ]);
    expect(await queue.destinationAnswered('PACS')).toBe(true);
    expect(await queue.destinationAnswered('PACS')).toBe(false);
    expect(await queue.due()).toEqual(['OTHER', 'PACS']);
  });

  it('let the current revision follow one that is superseded, once', async () => {
    await add('1.2.1');
    await add('1.2.2');
    await add('1.2.2', { revision: 2 });
    const batch = await claim();
    const current = {
      ...{ revision: 2, sopClassUid: '1.2.840.10008.5.1.4.1.1.2', transferSyntaxUid: '1.2.840.10008.1.2.4.90' },
      ...{ blobKey: 'k', source: 'RIS', issuedByCallosum: false },
    };
    const [corrected, known] = batch.items;
    if (!corrected || !known) throw new Error('nothing is due');
    expect(await queue.follow({ ...batch, fence: batch.fence - 1 }, corrected, current)).toBe(false);
    expect(await queue.follow(batch, corrected, current)).toBe(true);
    expect(await queue.follow(batch, corrected, current)).toBe(false);
    expect(await queue.follow(batch, known, current)).toBe(false);
    // The fact of its storing comes later than this.
    expect(await add('1.2.1', { revision: 2 })).toBe(0);
    const { rows } = await sql`
      select sop_instance_uid, transfer_syntax_uid, transcode, state from forward_queue where revision = 2
      order by id desc limit 1`.execute(database.db);
    expect(rows).toEqual([
      { sop_instance_uid: '1.2.1', transfer_syntax_uid: '1.2.840.10008.1.2.4.90', transcode: true, state: 'waiting' },
    ]);
  });

  it('end a circle of corrections with a failure that says so', async () => {
    for (let revision = 1; revision <= 21; revision++) await add('1.2.1', { revision });
    const { rows } = await sql`select revision, error_code from forward_queue where state = 'failed'`.execute(
      database.db,
    );
    expect(rows).toEqual([{ revision: 21, error_code: 'dimse-ingest.forwarded-too-often' }]);
  });

  it('take up again what a person retries, and by its code what was withdrawn and is restored', async () => {
    for (const uid of ['1.2.1', '1.2.2', '1.2.3']) await add(uid);
    const batch = await claim();
    const [failed, withdrawn, superseded] = batch.items;
    if (failed && withdrawn && superseded) {
      await queue.end(batch, failed, 'failed', 'C000');
      await queue.end(batch, withdrawn, 'dropped', 'dimse-ingest.withdrawn');
      await queue.end(batch, superseded, 'dropped', 'dimse-ingest.superseded');
    }
    expect(await queue.retry('PACS', 'dimse-ingest.superseded')).toBe(0);
    expect(await queue.retry('PACS')).toBe(1);
    expect(await queue.retry('PACS', 'dimse-ingest.withdrawn')).toBe(1);
    expect(await states()).toEqual(['waiting', 'waiting', 'dropped']);
  });

  it('take up what was withdrawn when a further fact tells of it, and nothing else that ended', async () => {
    await add('1.2.1');
    await add('1.2.2');
    const batch = await claim();
    const [withdrawn, sent] = batch.items;
    if (withdrawn && sent) {
      await queue.end(batch, withdrawn, 'dropped', 'dimse-ingest.withdrawn');
      await queue.end(batch, sent, 'sent');
    }
    expect([await add('1.2.1'), await add('1.2.2')]).toEqual([1, 0]);
    expect(await states()).toEqual(['waiting', 'sent']);
    expect((await claim()).items.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['1.2.1']);
  });

  it('take up again of old instances those that were withdrawn alone', async () => {
    for (const uid of ['1.2.1', '1.2.2']) await add(uid);
    const batch = await claim();
    const [withdrawn, sent] = batch.items;
    if (withdrawn && sent) {
      await queue.end(batch, withdrawn, 'dropped', 'dimse-ingest.withdrawn');
      await queue.end(batch, sent, 'sent');
    }
    const to = [{ destination: 'PACS', transcode: true }];
    const resumed = (sopInstanceUid: string) =>
      queue.resume({ ...batch.items[0], sopInstanceUid, revision: 1 } as unknown as ForwardableInstance, to);
    expect([await resumed('1.2.1'), await resumed('1.2.2'), await resumed('1.2.9')]).toEqual([1, 0, 0]);
    expect(await states()).toEqual(['waiting', 'sent']);
  });

  it('find what was withdrawn by an index, among all that was sent', async () => {
    await sql`
      insert into forward_queue (destination, study_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
        revision, transcode, state, error_code, ended_at)
      select 'PACS', '1.2', '1.2.' || n, '1', '1', 1, true, case when n % 1000 = 0 then 'dropped' else 'sent' end,
        case when n % 1000 = 0 then 'dimse-ingest.withdrawn' end, now()
      from generate_series(1, 20000) as n`.execute(database.db);
    await sql`analyze forward_queue`.execute(database.db);
    const { rows } = await sql<Record<string, string>>`explain ${retriedPage(
      'PACS',
      'dimse-ingest.withdrawn',
      new Date().toISOString(),
      5_000,
    )}`.execute(database.db);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('forward_withdrawn');
    expect(plan).not.toContain('Seq Scan on forward_queue');
    expect(await queue.retry('PACS', 'dimse-ingest.withdrawn')).toBe(20);
  });

  it('give a batch by indexes, wherever it is to begin, among all that waits and was sent', async () => {
    // Another destination's are more; every fifth was refused, some of these are due.
    await sql`
      insert into forward_queue (destination, study_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
        revision, transcode, state, ended_at, next_attempt_at, tried_at)
      select case when n % 4 = 0 then 'PACS' else 'OTHER' end, '1.2.' || n / 2000, '1.2.9.' || n, '1', '1', 1, true,
        case when n % 3 = 0 then 'sent' else 'waiting' end, case when n % 3 = 0 then now() end,
        now() + make_interval(secs => (n - 55000) / 10.0), case when n % 20 = 0 then now() end
      from generate_series(1, 60000) as n`.execute(database.db);
    await sql`vacuum analyze forward_queue`.execute(database.db);
    for (const refusals of [0, 1, 2, 3, 4]) {
      const lease = { destination: 'PACS', fence: 1 };
      const { rows } = await sql<Record<string, string>>`
        explain (costs off) ${claimRows(lease, { leaseMs, itemsMax: 200 }, refusals)}`.execute(database.db);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan, plan).not.toContain('Seq Scan on forward_queue');
      // The first row; of its study what there is is sorted, or read in order where it is much.
      expect(plan.split('CTE picked')[0], plan).not.toContain('Sort');
      expect(plan).toContain('forward_due');
      expect(plan).toContain('forward_study');
    }
  });

  it('give a destination that refuses instances what it never refused, from elsewhere on each time', async () => {
    for (const study of ['1.2', '1.3']) for (let n = 1; n <= 4; n++) await add(`${study}.${n}`, { study });
    await add('1.2.5');
    const begun = async (refusals: number) => {
      await sql`update forward_destination set refusals = ${refusals}`.execute(database.db);
      const batch = await claim();
      await queue.giveBack(batch, batch.items);
      await queue.release(batch);
      return batch.items.map(({ sopInstanceUid }) => sopInstanceUid);
    };
    const all = ['1.2.1', '1.2.2', '1.2.3', '1.2.4', '1.2.5'];
    expect(await begun(0)).toEqual(all);
    expect(await begun(1)).toEqual(all);
    expect(await begun(2)).toEqual(['1.2.5']);
    expect(await begun(3)).toEqual(all);
    // What it refused goes with its own kind, and only when there is nothing else.
    await sql`update forward_queue set tried_at = now() where sop_instance_uid in ('1.2.1', '1.2.5')`.execute(
      database.db,
    );
    expect(await begun(0)).toEqual(['1.2.1', '1.2.5']);
    expect(await begun(1)).toEqual(['1.3.1', '1.3.2', '1.3.3', '1.3.4']);
    expect(await begun(2)).toEqual(['1.3.4']);
    expect(await begun(3)).toEqual(['1.2.2', '1.2.3', '1.2.4']);
    await sql`update forward_queue set tried_at = now(), next_attempt_at = now() - interval '1 s'
      where sop_instance_uid <> '1.2.4'`.execute(database.db);
    await sql`update forward_queue set tried_at = now(), next_attempt_at = now() - interval '1 h'
      where sop_instance_uid = '1.2.4'`.execute(database.db);
    expect(await begun(3)).toEqual(['1.2.4', '1.2.5']);
  });

  it('are filled by the rules that can be read: one that cannot is told once, and removed as any other', async () => {
    const told: string[] = [];
    const rules = new PostgresForwardingRules(database, [], (id) => told.push(id));
    const { id } = await rules.create({ ...forwardingRuleInput.parse({ destination: 'PACS' }) });
    await sql`insert into forwarding_rule (id, rule) values ('later', '{"destination":"PACS","include":"both"}')`.execute(
      database.db,
    );
    for (let i = 0; i < 2; i++) expect((await rules.all()).map((rule) => rule.id)).toEqual([id]);
    expect(told).toEqual(['later']);
    await rules.remove('later');
    await rules.remove(id);
  });

  it('forget what was sent, and keep what failed', async () => {
    for (const uid of ['1.2.1', '1.2.2', '1.2.3']) await add(uid);
    const batch = await claim();
    const [sent, failed] = batch.items;
    if (sent && failed) {
      await queue.end(batch, sent, 'sent');
      await queue.end(batch, failed, 'failed', 'C000');
    }
    await sql`update forward_queue set ended_at = now() - interval '15 days' where ended_at is not null`.execute(
      database.db,
    );
    expect(await queue.prune(14)).toBe(1);
    expect(await states()).toEqual(['failed', 'waiting']);
    expect(await queue.drop('PACS', 'failed')).toBe(1);
    expect(await queue.prune(0)).toBeGreaterThanOrEqual(0);
  });

  it('are retried and dropped in pages, however many wait', async () => {
    await sql`create table changed (rows integer not null)`.execute(database.db);
    await sql`
      create function tell_changed() returns trigger language plpgsql as
      $$ begin insert into changed select count(*) from now_so; return null; end $$`.execute(database.db);
    await sql`
      create trigger tell after update on forward_queue referencing new table as now_so
      for each statement execute function tell_changed()`.execute(database.db);
    await sql`insert into forward_destination (destination) values ('PACS')`.execute(database.db);
    await sql`
      insert into forward_queue (destination, study_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
        revision, transcode, state, error_code, ended_at)
      select 'PACS', '1.2', '1.2.' || n, '1', '1', 1, true, 'failed', 'C000', now()
      from generate_series(1, 12001) as n`.execute(database.db);
    const pages = async () => {
      const { rows } = await sql<{ rows: number }>`delete from changed returning rows`.execute(database.db);
      return rows.map(({ rows }) => rows);
    };
    expect(await queue.retry('PACS')).toBe(12_001);
    expect(await pages()).toEqual([5_000, 5_000, 2_001]);
    expect(await queue.drop('PACS', 'waiting')).toBe(12_001);
    expect(await pages()).toEqual([5_000, 5_000, 2_001]);
    expect(await queue.drop('PACS', 'waiting')).toBe(0);
  });
});
