import { SettingsError, parseSettings } from '@callosum/config';
import { type Database } from '@callosum/database';
import { Sent } from '@callosum/event-log';
import { CallosumError } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';
import { sql } from 'kysely';

import type { ServiceDefinition } from './definition.js';
import { migrationSettings, passwordsIn } from './migrate-site.js';
import { openDatabase } from './open-adapters.js';
import { archiveSchema } from './roles.js';
import { type PlatformSettings, platformSettings } from './settings.js';

const announceSettings = migrationSettings.pick({ CALLOSUM_DATABASE_PASSWORDS_DIR: true });

/** Thrown when a service is connected to its schema: what it sends would overtake what it sent before. */
export class ServiceRunsError extends CallosumError {
  constructor(schema: string) {
    super(
      'announce.service-runs',
      'conflict',
      `processes are connected to the schema ${schema}: stop the services first`,
    );
  }
}

/**
 * After Kafka lost its data: each outbox gets again what it gave Kafka since a moment, in its order and with its ids, before
 * what waits there. The services must be down; they send it when they start. A consumer that has handled a fact does
 * nothing again, so the moment may lie well before the loss. Facts older than `CALLOSUM_SENT_HOURS` are gone.
 * @throws {SettingsError} {MissingPasswordError} {ServiceRunsError} {DatabaseUnavailableError}
 */
export async function announceSite(
  definitions: readonly ServiceDefinition[],
  env: NodeJS.ProcessEnv,
  since: Date,
  logger: Logger,
): Promise<void> {
  const settings = parseSettings(platformSettings, env);
  const { CALLOSUM_DATABASE_PASSWORDS_DIR } = parseSettings(announceSettings, env);
  if (settings.CALLOSUM_EVENT_LOG !== 'kafka')
    throw new SettingsError(['CALLOSUM_EVENT_LOG: a log in PostgreSQL is lost and restored with its outboxes']);
  const passwordOf = passwordsIn(CALLOSUM_DATABASE_PASSWORDS_DIR, definitions, false);
  const schemas = [archiveSchema, ...definitions.map(({ schema }) => schema)];
  // None of them before all are known to be down.
  for (const again of [false, true]) {
    for (const schema of schemas) {
      const database = open(schema, settings, passwordOf(schema), logger);
      try {
        await assertDown(database);
        if (!again) continue;
        const facts = await Sent.again(database.db, since);
        logger.info({ schema, facts }, 'facts.announced');
      } finally {
        await database.close();
      }
    }
  }
}

function open(schema: string, settings: PlatformSettings, password: string, logger: Logger): Database<never> {
  const own = { CALLOSUM_DATABASE_USER: schema, CALLOSUM_DATABASE_PASSWORD: password, CALLOSUM_DATABASE_POOL_MAX: 1 };
  // A busy day of a large site is millions of rows, moved in one statement.
  const patient = { CALLOSUM_DATABASE_STATEMENT_MS_MAX: 3_600_000 };
  return openDatabase(schema, schema, { ...settings, ...own, ...patient }, logger);
}

/** Services name their connections after the schema they work in; everybody may see that name. */
async function assertDown({ db, schema }: Database<never>): Promise<void> {
  const { rows } = await sql<{ others: boolean }>`
    select exists (
      select from pg_stat_activity
      where application_name = current_setting('application_name') and datname = current_database()
        and pid <> pg_backend_pid()
    ) as others`.execute(db);
  if (rows[0]?.others) throw new ServiceRunsError(schema);
}
