import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

import type pg from 'pg';

import { type AdminConfig, newAdminClient } from './connect.js';

/** One role with the one schema it owns, and the shared schemas it may use. */
export interface RoleSpec {
  readonly role: string;
  readonly password: string;
  readonly schema: string;
  /** Schemas of the platform (archive, event_log) this role also reads and writes. */
  readonly uses: readonly string[];
}

const identifier = /^[a-z][a-z0-9_]{0,62}$/;

/**
 * Creates roles and schemas, and lets each role reach its own schema and the shared ones it names, no more.
 * Idempotent; run with an administrator's connection before the services start. Safe to run from several
 * processes at once (one advisory lock).
 */
export async function provision(admin: AdminConfig, roles: readonly RoleSpec[]): Promise<void> {
  const client = newAdminClient(admin);
  // A server that goes away between two queries must not end the process: the next query says so.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query("select pg_advisory_lock(hashtext('callosum.provision'))");
    await client.query('revoke create on schema public from public');
    for (const spec of roles) await provisionRole(client, spec);
    for (const spec of roles) await grantShared(client, spec);
  } finally {
    await client.end();
  }
}

async function provisionRole(client: pg.Client, { role, password, schema }: RoleSpec): Promise<void> {
  for (const name of [role, schema]) {
    if (!identifier.test(name)) throw new TypeError(`not an identifier: ${name}`);
  }
  const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [role]);
  const quoted = client.escapeLiteral(verifierOf(password));
  await client.query(`${rowCount ? 'alter' : 'create'} role ${role} login password ${quoted}`);
  // An administrator that is no superuser (CloudNativePG, a cloud's) must be a member to give schemas away.
  await client.query(`grant ${role} to current_user`);
  await client.query(`create schema if not exists ${schema} authorization ${role}`);
}

/** Of the server's own kind (RFC 5803, RFC 7677). */
const iterations = 4_096;

/**
 * What the server keeps of a password, so that the password itself is in no statement that it may log. One with other
 * characters than ASCII goes as it is: only the server knows how it would prepare it (SASLprep).
 */
function verifierOf(password: string): string {
  if (!/^[\x20-\x7e]+$/.test(password)) return password;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(keyOf('Client Key')).digest();
  const [a, b, c] = [salt, stored, keyOf('Server Key')].map((bytes) => bytes.toString('base64'));
  return `SCRAM-SHA-256$${iterations}:${a}$${b}:${c}`;
}

async function grantShared(client: pg.Client, { role, schema, uses }: RoleSpec): Promise<void> {
  for (const shared of uses) {
    if (shared === schema) continue;
    const { rows } = await client.query<{ owner: string }>(
      'select pg_get_userbyid(nspowner) as owner from pg_namespace where nspname = $1',
      [shared],
    );
    const owner = rows[0]?.owner;
    if (!owner) throw new TypeError(`schema ${shared} has no owning role among those provisioned`);
    await client.query(`grant usage on schema ${shared} to ${role}`);
    await client.query(
      `alter default privileges for role ${owner} in schema ${shared} grant select, insert, update, delete on tables to ${role}`,
    );
    await client.query(
      `alter default privileges for role ${owner} in schema ${shared} grant usage, select on sequences to ${role}`,
    );
    await grantExisting(client, role, shared);
  }
}

/** Names of kinds of relation as `grant` and pg_class.relkind have them, and the rights a service has on each. */
const relationRights = [
  { kind: 'table', relkinds: ['r', 'p', 'v', 'm', 'f'], rights: ['select', 'insert', 'update', 'delete'] },
  { kind: 'sequence', relkinds: ['S'], rights: ['usage', 'select'] },
] as const;

/**
 * What was made in a shared schema before this role was first provisioned; what is made later has the default privileges.
 * Only what is missing: a grant on a relation that another process migrates meanwhile waits for its transaction, and then
 * fails ("tuple concurrently updated").
 */
async function grantExisting(client: pg.Client, role: string, shared: string): Promise<void> {
  for (const { kind, relkinds, rights } of relationRights) {
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', $2::text, relname) as name from pg_class
       where relnamespace = $2::regnamespace and relkind = any($3)
         and not (select bool_and(has_${kind}_privilege($1, pg_class.oid, wanted)) from unnest($4::text[]) as wanted)`,
      [role, shared, relkinds, rights],
    );
    for (const { name } of rows) await client.query(`grant ${rights.join(', ')} on ${kind} ${name} to ${role}`);
  }
}
