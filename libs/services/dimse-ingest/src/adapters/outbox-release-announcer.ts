import { type imaging, topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';

import type { ReleaseAnnouncer } from '../application/ports.js';
import type { DimseIngestTables } from './tables.js';

/** Release facts go out of this service's own outbox; all studies of one association in one transaction. */
export class OutboxReleaseAnnouncer implements ReleaseAnnouncer {
  constructor(
    private readonly database: Database<DimseIngestTables>,
    private readonly outbox: Outbox,
  ) {}

  async announce(released: readonly imaging.AssociationReleased[]): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      for (const fact of released)
        await this.outbox.add(trx, topics.associationReleased, fact, { correlationId: fact.associationId });
    });
  }
}
