import type { RoleSpec } from '@callosum/database';

import type { ServiceDefinition } from './definition.js';

/** Schemas of the platform itself. Their owners migrate them; services only read and write rows. */
export const archiveSchema = 'archive';
export const eventLogSchema = 'event_log';

/**
 * Every PostgreSQL role of a site: one per service, one per shared schema, and `observer`, which follows the
 * log and has no tables of its own (the start command's stage watcher). `eventLogInPostgres` is false where Kafka is the log.
 */
export function roleSpecs(
  definitions: readonly ServiceDefinition[],
  passwordOf: (role: string) => string,
  eventLogInPostgres: boolean,
): RoleSpec[] {
  const log = eventLogInPostgres ? [eventLogSchema] : [];
  const shared = [archiveSchema, ...log].map((name) => role(name, []));
  const services = definitions.map((definition) =>
    role(definition.schema, [...(definition.usesArchive ? [archiveSchema] : []), ...log]),
  );
  const observer = eventLogInPostgres ? [role('observer', log)] : [];
  return [...shared, ...services, ...observer];

  function role(name: string, uses: readonly string[]): RoleSpec {
    return { role: name, password: passwordOf(name), schema: name, uses };
  }
}
