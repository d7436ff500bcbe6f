import type { Database } from '@callosum/database';
import { Inbox, type Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';

import type { Release } from '../application/complete-studies.js';
import type { Fact, FactStore } from '../application/facts.js';
import type { IndexTransaction } from '../application/index-instance.js';
import { group } from '../tokens.js';
import { recordRelease } from './completion.js';
import { PostgresIndexTransaction } from './index-transaction.js';
import type { StudyIndexTables } from './tables.js';

export class PostgresFactStore implements FactStore {
  constructor(
    private readonly database: Database<StudyIndexTables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly releasedQuietPeriodMs: number,
  ) {}

  once<T>(fact: Fact, work: (index: IndexTransaction) => Promise<T>): Promise<T | undefined> {
    return this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, group, fact))) return undefined;
      return work(new PostgresIndexTransaction(trx, this.outbox, this.clock, fact));
    });
  }

  onceOf<F extends Fact, K, V>(
    facts: readonly F[],
    work: (index: IndexTransaction, fresh: readonly F[]) => Promise<ReadonlyMap<K, V>>,
  ): Promise<ReadonlyMap<K, V>> {
    return this.database.db.transaction().execute(async (trx) => {
      const ids = await Inbox.onceOf(trx, group, facts);
      const fresh = facts.filter(({ id }) => ids.has(id));
      if (fresh.length === 0) return new Map<K, V>();
      return work(new PostgresIndexTransaction(trx, this.outbox, this.clock, fresh.at(-1)), fresh);
    });
  }

  released(fact: Fact, release: Release): Promise<void> {
    return this.database.db.transaction().execute(async (trx) => {
      if (await Inbox.once(trx, group, fact)) await recordRelease(trx, release, this.releasedQuietPeriodMs);
    });
  }
}
