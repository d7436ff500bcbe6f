import { type imaging, topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';

import type { ReleaseAnnouncer } from '../application/ports.js';

/** This service has no tables of its own beside those of its outbox. */
export type NoTables = Record<never, never>;

/** Release facts go out of this service's own outbox; all studies of one association in one transaction. */
export class OutboxReleaseAnnouncer implements ReleaseAnnouncer {
  constructor(
    private readonly database: Database<NoTables>,
    private readonly outbox: Outbox,
  ) {}

  async announce(released: readonly imaging.AssociationReleased[]): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      for (const fact of released)
        await this.outbox.add(trx, topics.associationReleased, fact, { correlationId: fact.associationId });
    });
  }
}
