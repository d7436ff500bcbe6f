import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { fillIndex, fillIntake, orSkip, type Ran, Runbook, startPostgres, type TestPostgres } from '@callosum/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const runbooks = await orSkip(() => Runbook.open('back-up', 'restore'));
const roles = ['archive', ...services.map(({ schema }) => schema)];
/** As CloudNativePG and managed databases give it: it owns the database and may create roles, and is no superuser. */
const administrator = { user: 'callosum_admin', password: 'admin' };

interface Site {
  readonly server: TestPostgres;
  /** What the commands of the runbooks read. */
  readonly env: NodeJS.ProcessEnv;
}

/** The commands of docs/runbooks/back-up.md and restore.md as they stand there, on servers with nothing but a database and its owner. */
describe.skipIf(runbooks.missing)('a back-up made and restored as the runbooks say', () => {
  const [backUp, restore] = runbooks.server as [Runbook, Runbook];
  const passwords = mkdtempSync(join(tmpdir(), 'callosum-e2e-roles-'));
  const servers: TestPostgres[] = [];
  let site: Site;
  let before: Record<string, unknown>[];

  beforeAll(async () => {
    for (const role of roles) writeFileSync(join(passwords, role), `${role}-1`);
    site = await emptySite();
    expectDone(await restore.run('node apps/all-in-one/dist/migrate.js', site.env));
    await as(site, 'archive', fillIntake(2_000));
    await as(site, 'study_index', fillIndex(2_000));
    before = await everything(site);
    expectDone(await backUp.run('pg_dump', site.env));
    expectDone(await backUp.run('pg_restore --file', site.env));
  });
  afterAll(async () => {
    backUp.close();
    for (const server of servers) await server.stop();
    rmSync(passwords, { recursive: true, force: true });
  });

  async function emptySite(): Promise<Site> {
    const server = await startPostgres();
    servers.push(server);
    const { host, port, database } = server.admin;
    await query(
      server.admin,
      `create role ${administrator.user} login createrole password '${administrator.password}'`,
    );
    await query(server.admin, `alter database ${database} owner to ${administrator.user}`);
    const env = {
      CALLOSUM_PSQL: `postgresql://${administrator.user}@${host}:${port}/${database}`,
      PGPASSWORD: administrator.password,
      CALLOSUM_DATABASE_HOST: host,
      CALLOSUM_DATABASE_PORT: String(port),
      CALLOSUM_DATABASE_NAME: database,
      CALLOSUM_DATABASE_ADMIN_USER: administrator.user,
      CALLOSUM_DATABASE_ADMIN_PASSWORD: administrator.password,
      CALLOSUM_DATABASE_PASSWORDS_DIR: passwords,
      CALLOSUM_EVENT_LOG: 'kafka',
    };
    return { server, env };
  }
  async function restoreInto({ env }: Site): Promise<void> {
    for (const beginning of [
      'pg_restore --file',
      'psql',
      'pg_restore --exit-on-error',
      'node apps/all-in-one/dist/migrate.js',
    ])
      expectDone(await restore.run(beginning, env));
  }

  it('brings back every row, right, owner and sequence, whatever came since, also tables of a newer version', async () => {
    await as(site, 'study_index', 'delete from instance where instance_number > 5');
    await as(site, 'study_index', 'create table of_the_next_version (n int)');
    await as(site, 'fhir_gateway', 'create function of_the_next_version() returns int language sql as $$ select 1 $$');
    await as(site, 'archive', "update archive.intake set source = 'CHANGED'");
    expect(await everything(site)).not.toEqual(before);
    await restoreInto(site);
    expect(await everything(site)).toEqual(before);
  });

  it('does so on a new server, where roles keep to what is theirs', async () => {
    const fresh = await emptySite();
    expectDone(await restore.run('node apps/all-in-one/dist/migrate.js', fresh.env));
    await restoreInto(fresh);
    expect(await everything(fresh)).toEqual(before);
    expect(await as(fresh, 'study_index', 'select count(*) as rows from archive.intake')).toEqual([{ rows: '2000' }]);
    await expect(as(fresh, 'study_index', 'select from fhir_gateway.outbox')).rejects.toThrow(/permission denied/);
    // Tables of a later migration of the archive are its readers' too.
    await as(fresh, 'archive', 'create table archive.later (n int)');
    expect(await as(fresh, 'study_index', 'select * from archive.later')).toEqual([]);
  });

  it('leaves all as it was where the back-up is damaged: it is seen before anything is deleted', async () => {
    const cut = (command: string): string =>
      `head -c -100 callosum.dump > cut.dump; ${command.replace('callosum.dump', 'cut.dump')}`;
    expect((await restore.run('pg_restore --file', site.env, cut)).code).not.toBe(0);
    expect(await everything(site)).toEqual(before);
  });

  const as = (to: Site, role: string, text: string): Promise<Record<string, unknown>[]> =>
    query({ ...to.server.admin, user: role, password: `${role}-1`, options: `-c search_path=${role}` }, text);
});

function expectDone({ code, stderr }: Ran): void {
  expect(code, stderr).toBe(0);
}

async function query(config: pg.ClientConfig, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ ...config, ssl: false });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Owner, rights and a digest of the rows of each table, and where each sequence stands. */
async function everything({ server }: Site): Promise<Record<string, unknown>[]> {
  const tables = await query(
    server.admin,
    `select c.oid::regclass::text as name, c.relkind as kind, pg_get_userbyid(c.relowner) as owner,
       (select array_agg(a::text order by a::text) from unnest(c.relacl) as a) as rights
     from pg_class c join pg_namespace s on s.oid = c.relnamespace
     where s.nspname = any ('{${roles.join(',')}}') and c.relkind in ('r', 'i', 'S', 'v') order by 1`,
  );
  const found: Record<string, unknown>[] = await query(
    server.admin,
    `select nspname as name, pg_get_userbyid(nspowner) as owner, (select array_agg(a::text order by a::text) from unnest(nspacl) as a) as rights
     from pg_namespace where nspname = any ('{${roles.join(',')}}') order by 1`,
  );
  for (const table of tables) {
    const name = String(table['name']);
    const [content] =
      table['kind'] === 'r'
        ? await query(
            server.admin,
            `select count(*) as rows, md5(string_agg(md5(t::text), '' order by md5(t::text))) as digest from ${name} as t`,
          )
        : table['kind'] === 'S'
          ? await query(server.admin, `select last_value, is_called from ${name}`)
          : [{}];
    found.push({ ...table, ...content });
  }
  const defaults = await query(
    server.admin,
    `select pg_get_userbyid(defaclrole) as owner, defaclobjtype as kind, (select array_agg(a::text order by a::text) from unnest(defaclacl) as a) as rights
     from pg_default_acl order by 1, 2`,
  );
  return [...found, ...defaults];
}
