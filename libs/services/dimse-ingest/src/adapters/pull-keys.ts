import { sql, type Transaction } from 'kysely';

import type { PullRequest } from '../application/pull-ports.js';
import { IdempotencyKeyReusedError } from '../domain/pull-errors.js';
import type { PullTables } from './pull-tables.js';

/** Answers that were lost, of one pull: far more than a client repeats. */
const keysMax = 100;

/** @throws {IdempotencyKeyReusedError} the caller's key came with another request */
export async function pullOfKey(
  trx: Transaction<PullTables>,
  { idempotencyKey, requestedBy }: PullRequest,
  digest: string,
): Promise<string | undefined> {
  if (idempotencyKey === undefined) return undefined;
  const row = await trx
    .selectFrom('pull_key')
    .innerJoin('pull', 'pull.id', 'pull_key.pull_id')
    .select(['pull.id', 'pull.request_digest'])
    .where('subject', '=', requestedBy)
    .where('key', '=', idempotencyKey)
    .executeTakeFirst();
  if (row && row.request_digest !== digest) throw new IdempotencyKeyReusedError();
  return row?.id;
}

/** The unfinished pull that asks for the same. */
export async function openPull(trx: Transaction<PullTables>, digest: string): Promise<string | undefined> {
  const open = trx.selectFrom('pull').select('id').where('state', '=', 'open').where('request_digest', '=', digest);
  return (await open.executeTakeFirst())?.id;
}

/** Also of a request that joined a pull: its answer may be lost, and come again when the pull has ended. */
export async function rememberKey(
  trx: Transaction<PullTables>,
  { idempotencyKey, requestedBy }: PullRequest,
  pullId: string,
): Promise<void> {
  if (idempotencyKey === undefined) return;
  await sql`insert into pull_key (subject, key, pull_id) values (${requestedBy}, ${idempotencyKey}, ${pullId})
    on conflict do nothing`.execute(trx);
  await sql`delete from pull_key where pull_id = ${pullId} and number in (
    select number from pull_key where pull_id = ${pullId} order by number desc offset ${keysMax})`.execute(trx);
}
