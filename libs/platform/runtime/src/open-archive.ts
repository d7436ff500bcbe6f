import { Archive } from '@callosum/archive';
import type { EventLog } from '@callosum/event-log';
import type { ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';

import { ArchiveSweeper } from './archive-sweeper.js';
import type { Closers } from './closers.js';
import type { ServiceDefinition } from './definition.js';
import { openDatabase } from './open-adapters.js';
import { openOutbox } from './open-outbox.js';
import { archiveSchema } from './roles.js';
import type { PlatformSettings } from './settings.js';

/** The archive of a service that stores, with its relay and its sweeper running. */
export function openArchive(
  definition: ServiceDefinition,
  settings: PlatformSettings,
  log: EventLog,
  objectStore: ObjectStore,
  logger: Logger,
  closers: Closers,
): { readonly archive: Archive; readonly sweeper: ArchiveSweeper } {
  const database = openDatabase(archiveSchema, definition.schema, settings, logger);
  closers.add(() => database.close());
  const { outbox, relay } = openOutbox(definition, database, archiveSchema, settings, log, logger);
  // Every service that stores runs a relay over the archive's outbox; the lock lets one at a time send.
  relay.start();
  closers.add(() => relay.close());
  const { CALLOSUM_SITE: site, CALLOSUM_CONFLICTS: conflicts } = settings;
  const archive = new Archive({ database, objectStore, outbox, site, logger, conflicts });
  const { newClient } = database;
  const sweeper = new ArchiveSweeper({ archive, newClient, site, logger }).start();
  closers.add(() => sweeper.close());
  return { archive, sweeper };
}
