import { type Kysely, sql } from 'kysely';
import { describe, expect, it } from 'vitest';

import { addIndexes, migrationFaults, type SchemaMigration } from './index.js';

const run = (...statements: readonly string[]): SchemaMigration => ({
  up: async (db: Kysely<unknown>) => {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
});
const faults = (migration: SchemaMigration, name = '0002-change'): Promise<string[]> =>
  migrationFaults({ [name]: migration }, { version: '0.3.0' });

describe('the policy of migrations lets pass what only adds', () => {
  it.each([
    ['a table with its indexes', 'create table job (id int, at date); create unique index job_at on job (at)'],
    ['a column that may be empty', 'alter table job add column note text'],
    ['a column with a default', 'alter table job add column tries int not null default 0, add column seen timestamptz'],
    ['a default of now()', 'alter table job add column seen_at timestamptz not null default now()'],
    ['a constraint that is validated later', "alter table job add constraint c check (a in ('x,y', ')')) not valid"],
    ['its validation', 'alter table job validate constraint c'],
    ['a column that need not be filled any more', 'alter table job alter column note drop not null'],
    ['rows of its own', "insert into job values (1, 'drop table job')"],
  ])('%s', async (_what, statement) => {
    expect(await faults(run(statement))).toEqual([]);
  });

  it('an index of a table in use that is built beside it', async () => {
    expect(await faults(addIndexes({ name: 'job_at', table: 'job', on: '(at)' }))).toEqual([]);
  });

  it('what the version that stopped using it is older than this one', async () => {
    const dropped = run('alter table job drop column note');
    expect(await faults({ ...dropped, contract: { unusedSince: '0.2.9', what: 'job.note' } })).toEqual([]);
  });
});

describe('the policy of migrations stops', () => {
  it.each([
    ['a dropped column', 'alter table job drop column note', /only adding/],
    ['a dropped column among what is added', 'alter table job add column a int, drop column b', /drop column b/],
    ['a dropped table', 'drop table job', /only adding/],
    ['a dropped index', 'drop index job_at', /only adding/],
    ['a dropped constraint', 'alter table job drop constraint c', /only adding/],
    ['a renamed column', 'alter table job rename column a to b', /only adding/],
    ['a renamed table', 'alter table job rename to work', /only adding/],
    ['another type', 'alter table job alter column a type bigint', /only adding/],
    ['a column that must be filled from now on', 'alter table job alter column a set not null', /only adding/],
    [
      'a new column that the version before does not fill',
      'alter table job add column a int not null',
      /does not fill/,
    ],
    ['a new column that rewrites the table', 'alter table job add a uuid default gen_random_uuid()', /every row/],
    ['a constraint that reads all rows', 'alter table job add constraint c check (a > 0)', /not valid/],
    ['a constraint without a name', 'alter table job add check (a > 0) not valid', /only adding/],
    ['a unique column', 'alter table job add column a int unique', /may refuse/],
    ['an index that locks', 'create index job_at on job (at)', /in "indexes"/],
    ['rows written in bulk', 'update job set a = 1', /only adding/],
    ['rows deleted in bulk', 'create table other (n int); delete from job', /delete from job/],
    ['what stands behind a comment', '-- create table x\ntruncate job', /only adding/],
    ['quoted names', 'alter table "job" drop column "note"', /only adding/],
  ])('%s', async (_what, statement, reason) => {
    const found = await faults(run(statement));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(reason);
  });

  it('a contract that this version, or none, stopped using', async () => {
    const dropped = run('alter table job drop column note');
    for (const unusedSince of ['0.3.0', '0.10.0', '1.0.0', 'yesterday'])
      expect(await faults({ ...dropped, contract: { unusedSince, what: 'job.note' } }), unusedSince).toHaveLength(1);
  });

  it('a unique index beside the running services, and a name that does not sort', async () => {
    expect(await faults(addIndexes({ name: 'i', table: 'job', on: 'unique (at)' }))).toHaveLength(1);
    expect(await faults(run('select 1'), 'late')).toHaveLength(1);
  });
});
