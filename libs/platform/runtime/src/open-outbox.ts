import type { Database } from '@callosum/database';
import { type EventLog, OutboxRelay, PostgresOutbox } from '@callosum/event-log';
import type { Logger } from '@callosum/telemetry';

import type { ServiceDefinition } from './definition.js';
import type { PlatformSettings } from './settings.js';

/** The outbox in `schema`, and the relay that sends what is added to it once it is started. */
export function openOutbox(
  { name }: ServiceDefinition,
  { db }: Database<never>,
  schema: string,
  settings: PlatformSettings,
  log: EventLog,
  logger: Logger,
): { readonly outbox: PostgresOutbox; readonly relay: OutboxRelay } {
  // A log in PostgreSQL is lost and restored with the outbox: nothing to keep for it.
  const sentHours = settings.CALLOSUM_EVENT_LOG === 'kafka' ? settings.CALLOSUM_SENT_HOURS : 0;
  const onError = (err: unknown): void => logger.warn({ err }, 'outbox.relay-failed');
  const relay = new OutboxRelay({ db, log, schema, sentHours, onError });
  const outbox = new PostgresOutbox({
    service: name,
    site: settings.CALLOSUM_SITE,
    outboxRowsMax: settings.CALLOSUM_OUTBOX_ROWS_MAX,
    onAdd: () => relay.expect(),
  });
  return { outbox, relay };
}
