import { type imaging, topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';

import type { ReleaseAnnouncer } from '../application/ports.js';
import type { DimseIngestTables } from './tables.js';

/** A transaction: while one is open, no outbox of the database is sent past it. */
const batchFacts = 500;

/** Release facts go out of this service's own outbox; an association of many studies in several transactions. */
export class OutboxReleaseAnnouncer implements ReleaseAnnouncer {
  constructor(
    private readonly database: Database<DimseIngestTables>,
    private readonly outbox: Outbox,
  ) {}

  async announce(released: readonly imaging.AssociationReleased[]): Promise<void> {
    for (let at = 0; at < released.length; at += batchFacts) {
      const facts = released
        .slice(at, at + batchFacts)
        .map((message) => ({ message, context: { correlationId: message.associationId } }));
      await this.database.db.transaction().execute((trx) => this.outbox.addAll(trx, topics.associationReleased, facts));
    }
  }
}
