import { AssociationAbortedError, PeerUnreachableError } from '@callosum/dimse';
import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { EntityList } from './adapters/entity-list.js';
import { dimseIngestMigrations } from './adapters/migrations.js';
import { PostgresForwardQueue } from './adapters/postgres-forward-queue.js';
import type { DimseIngestTables } from './adapters/tables.js';
import { SendForwards } from './application/send-forwards.js';

const ct = { sopClassUid: '1.2.840.10008.5.1.4.1.1.2', transferSyntaxUid: '1.2.840.10008.1.2.1' };
const minute = 60_000;
const hour = 60 * minute;

/**
 * Destinations that refuse instances, over the queue on a real PostgreSQL and the worker, with a clock: when nothing is
 * due, all times of the rows are moved back by as long as that lasts.
 */
describe('a destination that refuses instances', () => {
  let postgres: TestPostgres;
  let database: Database<DimseIngestTables>;
  let queue: PostgresForwardQueue;
  /** Since the test began, in ms. */
  let clock = 0;
  const tries: { uid: string; at: number; sent: boolean }[] = [];
  let answer: (uid: string) => number | Error;

  beforeAll(async () => {
    // Pauses are whole ones.
    vi.spyOn(Math, 'random').mockReturnValue(1);
    postgres = await startPostgres();
    database = connect<DimseIngestTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...dimseIngestMigrations });
    queue = new PostgresForwardQueue(database);
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await database?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await sql`truncate forward_queue, forward_destination, forward_lease, inbox`.execute(database.db);
    clock = 0;
    tries.length = 0;
  });

  const worker = () =>
    new SendForwards({
      queue,
      entities: new EntityList([{ aet: 'PACS', host: '127.0.0.1', port: 104 }]),
      destinations: {
        with: (_, work) =>
          work({
            expect: () => undefined,
            abort: () => undefined,
            store: ({ sopInstanceUid: uid, transferSyntaxUid }) => {
              const status = answer(uid);
              tries.push({ uid, at: clock, sent: status === 0 });
              return typeof status === 'number'
                ? Promise.resolve({ status, transferSyntaxUid })
                : Promise.reject(status);
            },
          }),
      },
      rules: { current: () => Promise.resolve([]) },
      objects: {
        current: () => Promise.resolve({ ...ct, revision: 1, blobKey: 'k', source: 'CT1', issuedByCallosum: false }),
        open: () => Promise.reject(new Error('not read here')),
      },
      isOutage: () => false,
      associationsMax: 1,
      idleMs: 0,
      work: { turn: 0, wait: () => Promise.resolve(true) },
      observe: (_batch, _item, send) => send(),
      onAway: () => undefined,
      onBack: () => undefined,
    });

  /** Lets the worker work until nothing waits, or the clock says so. */
  const runUntil = async (endMs: number): Promise<void> => {
    const sendForwards = worker();
    const { signal } = new AbortController();
    for (;;) {
      if (await sendForwards.execute('PACS', signal)) continue;
      const { rows } = await sql<{ waitMs: number | null }>`
        select extract(epoch from greatest(min(q.next_attempt_at), min(d.next_attempt_at)) - now())::float8 * 1000
          as "waitMs"
        from forward_queue q join forward_destination d using (destination) where state = 'waiting'`.execute(
        database.db,
      );
      const waitMs = rows[0]?.waitMs;
      if (waitMs === undefined || waitMs === null) return;
      const passMs = Math.max(1, Math.ceil(waitMs));
      if (clock + passMs > endMs) return pass(endMs - clock);
      await pass(passMs);
    }
  };
  const pass = async (ms: number): Promise<void> => {
    const by = sql`make_interval(secs => ${ms / 1000})`;
    await sql`
      update forward_queue set next_attempt_at = next_attempt_at - ${by}, tried_at = tried_at - ${by}`.execute(
      database.db,
    );
    await sql`
      update forward_destination set next_attempt_at = next_attempt_at - ${by}, answered_at = answered_at - ${by}`.execute(
      database.db,
    );
    clock += ms;
  };

  /** `study/number`, in this order. */
  const add = async (study: string, from: number, to: number): Promise<void> => {
    for (let n = from; n <= to; n++)
      await queue.add(
        { eventId: newId() },
        {
          ...ct,
          ...{ studyInstanceUid: study, sopInstanceUid: `${study}/${n}`, revision: 1, source: 'CT1' },
          issuedByCallosum: false,
        },
        [{ destination: 'PACS', transcode: false }],
      );
  };
  const of = (state: 'sent' | 'failed' | 'waiting') =>
    sql<{ uid: string; attempts: number; code: string | null }>`
      select sop_instance_uid as uid, attempts, error_code as code from forward_queue where state = ${state} order by id`
      .execute(database.db)
      .then(({ rows }) => rows);
  const numberOf = (uid: string): number => Number(uid.split('/')[1]);
  const sentUids = (): string[] => tries.filter(({ sent }) => sent).map(({ uid }) => uid);
  const lastSentAt = (): number => tries.filter(({ sent }) => sent).at(-1)?.at ?? Infinity;
  const silence = (): Error => new AssociationAbortedError('late', { abortCode: 'dimse.no-response' });
  const broken = (): Error => new AssociationAbortedError('why');
  const away = (): Error => new PeerUnreachableError('gone');

  it.each([
    ['refuses with A700', (): number => 0xa700, 'A700', 10],
    ['refuses with 0213', (): number => 0x0213, '0213', 10],
    ['refuses with 0124', (): number => 0x0124, '0124', 10],
    ['is silent at', silence, 'dimse.no-response', 180],
    ['ends its association at', broken, 'dimse.association-aborted', 180],
  ])('that %s three at the head of ten takes the seven at once; the three fail', async (_, refuse, code, minutes) => {
    answer = (uid) => (numberOf(uid) <= 3 ? refuse() : 0);
    await add('A', 1, 10);
    await runUntil(minute);
    expect((await of('sent')).map(({ uid }) => numberOf(uid))).toEqual([4, 5, 6, 7, 8, 9, 10]);
    await runUntil(minutes * minute);
    expect((await of('failed')).map((row) => [numberOf(row.uid), row.code])).toEqual([1, 2, 3].map((n) => [n, code]));
    // Once before others passed, and five times that count.
    expect(tries.filter(({ uid }) => uid === 'A/1')).toHaveLength(6);
  });

  it('and does so after an outage of hours, too', async () => {
    answer = away;
    await add('A', 1, 10);
    await runUntil(5 * hour);
    answer = (uid) => (numberOf(uid) <= 3 ? 0xa700 : 0);
    await runUntil(5 * hour + 17 * minute);
    expect(await of('sent')).toHaveLength(7);
    await runUntil(6 * hour);
    expect(await of('failed')).toHaveLength(3);
  });

  it('whose association ten at the head of twelve end gets the others within minutes', async () => {
    answer = (uid) => (numberOf(uid) <= 10 ? broken() : 0);
    await add('A', 1, 12);
    await runUntil(5 * minute);
    expect((await of('sent')).map(({ uid }) => numberOf(uid))).toEqual([11, 12]);
    expect(lastSentAt()).toBeLessThan(2 * minute);
    // Others come: what it takes tells more of the ten.
    for (let n = 1; n <= 24; n++) {
      await add(`B${n}`, 20, 20);
      await runUntil(5 * minute + n * 10 * minute);
    }
    expect([(await of('failed')).length, (await of('sent')).length]).toEqual([10, 26]);
  });

  it('takes other studies while it refuses a whole one that came first', async () => {
    answer = (uid) => (uid.startsWith('A/') ? 0xa700 : 0);
    await add('A', 1, 60);
    for (const study of ['B', 'C', 'D']) await add(study, 1, 20);
    await runUntil(5 * minute);
    expect(sentUids()).toHaveLength(60);
    expect(lastSentAt()).toBeLessThan(minute);
    for (const study of ['B', 'C', 'D'])
      expect(
        sentUids()
          .filter((uid) => uid.startsWith(study))
          .map(numberOf),
      ).toEqual(Array.from({ length: 20 }, (__, index) => index + 1));
  });

  it('gets what stands between such as it refuses', async () => {
    answer = (uid) => (numberOf(uid) > 40 && numberOf(uid) <= 60 ? 0 : 0xa700);
    await add('A', 1, 100);
    // A minute from one to the next.
    await sql`
      update forward_queue q set next_attempt_at = now() - make_interval(mins => 100 - nth::int)
      from (select id, row_number() over (order by id) as nth from forward_queue) as r where r.id = q.id`.execute(
      database.db,
    );
    await runUntil(30 * minute);
    expect((await of('sent')).map(({ uid }) => numberOf(uid))).toEqual(Array.from({ length: 20 }, (__, n) => n + 41));
  });

  it('and is not reached for a day gets all when it is back, in order, and nothing has failed', async () => {
    answer = away;
    await add('A', 1, 20);
    await add('B', 1, 5);
    await runUntil(24 * hour);
    expect((await of('waiting')).map(({ attempts }) => attempts)).toEqual(Array.from({ length: 25 }, () => 0));
    // Four times an hour, once the pauses have grown.
    expect(tries.length).toBeLessThan(110);
    answer = () => 0;
    await runUntil(24 * hour + 16 * minute);
    expect(sentUids()).toEqual([
      ...Array.from({ length: 20 }, (__, index) => `A/${index + 1}`),
      ...Array.from({ length: 5 }, (__, index) => `B/${index + 1}`),
    ]);
    expect(await of('failed')).toEqual([]);
  });

  it.each([
    ['refuses all', 30, (): number => 0xa700, 36],
    ['refuses the only one', 1, (): number => 0xa700, 36],
    ['lets nobody store', 30, (): number => 0x0124, 36],
    ['is silent at all', 30, silence, 8],
    ['ends every association', 30, broken, 8],
  ])('and %s for hours gets all when it is back, and no attempt has counted', async (_, count, refuse, hourMax) => {
    answer = refuse;
    await add('A', 1, count);
    await runUntil(9 * hour);
    expect((await of('waiting')).map(({ attempts }) => attempts)).toEqual(Array.from({ length: count }, () => 0));
    for (let h = 4; h < 9; h++)
      expect(tries.filter(({ at }) => at >= h * hour && at < (h + 1) * hour).length).toBeLessThanOrEqual(hourMax);
    answer = () => 0;
    await runUntil(9 * hour + 16 * minute);
    expect(await of('sent')).toHaveLength(count);
  });

  it.each([
    ['cannot understand any', 0xc000, 0],
    ['cannot process any', 0x0110, 4],
  ])(
    'and %s for hours keeps what is behind the first sixteen, and gets it when it is back',
    async (_, status, counted) => {
      answer = () => status;
      await add('A', 1, 30);
      await add('B', 1, 10);
      await runUntil(9 * hour);
      expect(await of('failed')).toHaveLength(16);
      expect((await of('waiting')).map(({ attempts }) => attempts)).toEqual(Array.from({ length: 24 }, () => counted));
      expect(tries.filter(({ at }) => at >= 8 * hour).length).toBeLessThanOrEqual(36);
      answer = () => 0;
      await runUntil(9 * hour + 16 * minute);
      expect(await of('sent')).toHaveLength(24);
    },
  );

  it('cannot understand three at the head of ten: they fail at once, by themselves', async () => {
    answer = (uid) => (numberOf(uid) <= 3 ? 0xc000 : 0);
    await add('A', 1, 10);
    await runUntil(1_000);
    expect((await of('failed')).map(({ uid }) => numberOf(uid))).toEqual([1, 2, 3]);
    expect(await of('sent')).toHaveLength(7);
  });

  it('cannot understand forty at the head: what is behind them comes within a minute, and all forty fail', async () => {
    answer = (uid) => (numberOf(uid) <= 40 ? 0xc000 : 0);
    await add('A', 1, 60);
    await runUntil(10 * minute);
    expect(await of('sent')).toHaveLength(20);
    expect(lastSentAt()).toBeLessThan(minute);
    expect(await of('failed')).toHaveLength(40);
  });

  it('is full, takes some and is full again: nothing fails by that', async () => {
    let room = 0;
    answer = () => (room > 0 ? --room * 0 : 0xa700);
    await add('A', 1, 45);
    for (let times = 1; times <= 2; times++) {
      await runUntil((3 * times - 1) * hour);
      room = 10;
      await runUntil(3 * times * hour);
      expect(await of('sent')).toHaveLength(10 * times);
    }
    expect(await of('failed')).toEqual([]);
    room = 45;
    await runUntil(7 * hour);
    expect(await of('sent')).toHaveLength(45);
  });
});
