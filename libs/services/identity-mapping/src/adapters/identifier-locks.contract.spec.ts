import { setTimeout as sleep } from 'node:timers/promises';

import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations } from '@callosum/event-log';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import type { IdentifierLock } from '../application/ports.js';
import { DecisionContentionError } from '../domain/errors.js';
import { holdLock, IdentifierLocks } from './identifier-locks.js';
import { identityMigrations } from './migrations.js';
import type { IdentityTables } from './tables.js';

let postgres: TestPostgres;
let database: Database<IdentityTables>;
const identifier = { system: 'urn:oid:1.2.3', value: 'X1' };

beforeAll(async () => {
  postgres = await startPostgres();
  database = connect<IdentityTables>(await postgres.createDatabase(), 'public', () => undefined);
  await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...identityMigrations });
});
afterAll(async () => {
  await database?.close();
  await postgres?.stop();
});
beforeEach(() => sql`truncate identifier_lock`.execute(database.db));

const commit = (lock: IdentifierLock): Promise<void> => database.db.transaction().execute((trx) => holdLock(trx, lock));

it('a judgement that takes longer than the lock keeps it', async () => {
  const locks = new IdentifierLocks(database.db, { lockMs: 1_000, renewEveryMs: 100 });
  const order: string[] = [];
  let begin!: () => void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const first = locks.during(identifier, async (lock) => {
    begin();
    await sleep(2_500);
    await commit(lock);
    order.push('first');
  });
  await begun;
  await locks.during(identifier, async (lock) => {
    await commit(lock);
    order.push('second');
  });
  await first;
  expect(order).toEqual(['first', 'second']);
});

it('what a judgement left behind that could not renew it ends by itself, and its decision is refused', async () => {
  const still = new IdentifierLocks(database.db, { lockMs: 500, renewEveryMs: 60_000 });
  const locks = new IdentifierLocks(database.db);
  await still.during(identifier, async (left) => {
    await locks.during(identifier, (lock) => commit(lock));
    await expect(commit(left)).rejects.toBeInstanceOf(DecisionContentionError);
  });
});

it('that of a process which has ended holds others up for less than half a minute', async () => {
  await new IdentifierLocks(database.db).during(identifier, async () => {
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from locked_until - now())::float8 as seconds from identifier_lock`.execute(database.db);
    expect(rows[0]?.seconds).toBeGreaterThan(10);
    expect(rows[0]?.seconds).toBeLessThan(30);
  });
  expect((await sql`select from identifier_lock`.execute(database.db)).rows).toEqual([]);
});
