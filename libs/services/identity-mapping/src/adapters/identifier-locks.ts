import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Kysely, sql, type Transaction } from 'kysely';

import type { IdentifierLock } from '../application/ports.js';
import { DecisionContentionError } from '../domain/errors.js';
import type { PatientIdentifier } from '../domain/identifier.js';
import type { IdentityTables } from './tables.js';

/**
 * What a process that ended, or whose database was away, leaves behind ends after this. A partition's studies wait behind
 * the one whose lock it is, so it is short; a judgement that takes longer renews it.
 */
const lockMs = 20_000;
/** Twice may fail. */
const renewEveryMs = 6_000;
/** Others wait for a judgement at most this long before their event is tried again later. */
const waitMsMax = 30_000;
const pollMs = 25;

export interface LockTimes {
  readonly lockMs: number;
  readonly renewEveryMs: number;
}

/**
 * One judgement at a time for each identifier, by rows whose deadlines count on the database's clock. Who loses its lock in
 * the middle finds out by the token, in the transaction of its decision ({@link holdLock}).
 */
export class IdentifierLocks {
  constructor(
    private readonly db: Kysely<IdentityTables>,
    private readonly times: LockTimes = { lockMs, renewEveryMs },
  ) {}

  /** @throws {DecisionContentionError} when another judgement takes too long */
  async during<T>(identifier: PatientIdentifier, work: (lock: IdentifierLock) => Promise<T>): Promise<T> {
    const lock = await this.#take(identifier);
    // A renewal that fails is tried again at the next turn; should all fail, the token tells.
    const renewing = setInterval(() => void this.#renew(lock).catch(() => undefined), this.times.renewEveryMs).unref();
    try {
      return await work(lock);
    } finally {
      clearInterval(renewing);
      // Should this fail, the lock runs out by itself.
      await this.#release(lock).catch(() => undefined);
    }
  }

  async #take({ system, value }: PatientIdentifier): Promise<IdentifierLock> {
    const key = createHash('sha256')
      .update(JSON.stringify([system, value]))
      .digest('hex');
    for (let waitedMs = 0; ; waitedMs += pollMs) {
      const { rows } = await sql<{ token: number }>`
        insert into identifier_lock (lock_key, token, locked_until)
        values (${key}, nextval('identifier_lock_token'), ${this.#deadline})
        on conflict (lock_key) do update set token = excluded.token, locked_until = excluded.locked_until
          where identifier_lock.locked_until < now()
        returning token`.execute(this.db);
      if (rows[0]) return { key, token: rows[0].token };
      if (waitedMs >= waitMsMax) throw new DecisionContentionError();
      await sleep(pollMs);
    }
  }

  get #deadline() {
    return sql<Date>`now() + make_interval(secs => ${this.times.lockMs / 1_000}::float8)`;
  }

  async #renew({ key, token }: IdentifierLock): Promise<void> {
    await this.db
      .updateTable('identifier_lock')
      .set({ locked_until: this.#deadline })
      .where('lock_key', '=', key)
      .where('token', '=', token)
      .execute();
  }

  async #release({ key, token }: IdentifierLock): Promise<void> {
    await this.db.deleteFrom('identifier_lock').where('lock_key', '=', key).where('token', '=', token).execute();
  }
}

/** @throws {DecisionContentionError} when the lock ran out and somebody else may judge by the identifier now */
export async function holdLock(trx: Transaction<IdentityTables>, lock: IdentifierLock): Promise<void> {
  const held = await trx
    .selectFrom('identifier_lock')
    .select('token')
    .where('lock_key', '=', lock.key)
    .where('token', '=', lock.token)
    .forUpdate()
    .executeTakeFirst();
  if (!held) throw new DecisionContentionError();
}
