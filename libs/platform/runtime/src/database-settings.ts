import { accessSync, constants } from 'node:fs';

import { isLoopback, SettingsError } from '@callosum/config';
import type { DatabaseTls } from '@callosum/database';
import type { Logger } from '@callosum/telemetry';
import { z } from 'zod';

/** Part of every service's settings, and of `migrate`'s. */
export const databaseTlsSettings = {
  CALLOSUM_DATABASE_TLS: z
    .enum(['off', 'verify-full'])
    .optional()
    .describe(
      "verify-full: TLS to PostgreSQL, with the chain and the name of the server's certificate verified; nothing less is offered. off: none. Has to be said for a database that is not on loopback",
    ),
  CALLOSUM_DATABASE_TLS_CA_FILE: z
    .string()
    .optional()
    .describe(
      "PEM file of the authorities the server's certificate comes from, read again for each connection; those Node.js knows when not set",
    ),
  CALLOSUM_DATABASE_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe('PEM file of the client certificate, where the server asks for one; read again too'),
  CALLOSUM_DATABASE_TLS_KEY_FILE: z.string().optional().describe('PEM file of its key'),
};
export type DatabaseTlsSettings = z.output<z.ZodObject<typeof databaseTlsSettings>>;

const files = [
  ['CALLOSUM_DATABASE_TLS_CA_FILE', 'caFile'],
  ['CALLOSUM_DATABASE_TLS_CERT_FILE', 'certFile'],
  ['CALLOSUM_DATABASE_TLS_KEY_FILE', 'keyFile'],
] as const;

/** A folder of sockets, as libpq takes it for a host, is on this machine too. */
const isHere = (host: string): boolean => isLoopback(host) || host.startsWith('/');

/**
 * TLS to the database as the settings say; undefined for none.
 * @throws {SettingsError} naming what is missing, contradicts or cannot be read; never a value
 */
export function databaseTls(
  settings: DatabaseTlsSettings & { readonly CALLOSUM_DATABASE_HOST: string },
): DatabaseTls | undefined {
  const { CALLOSUM_DATABASE_TLS: mode, CALLOSUM_DATABASE_HOST: host } = settings;
  const problems: string[] = [];
  if (mode === undefined && !isHere(host))
    problems.push(
      'CALLOSUM_DATABASE_TLS: has to be said for a database that is not on loopback: verify-full, or off where the network to it is encrypted or trusted',
    );
  const given = files.filter(([name]) => settings[name] !== undefined);
  if (mode !== 'verify-full')
    for (const [name] of given) problems.push(`CALLOSUM_DATABASE_TLS: must be verify-full with ${name}`);
  if (!settings.CALLOSUM_DATABASE_TLS_CERT_FILE !== !settings.CALLOSUM_DATABASE_TLS_KEY_FILE)
    problems.push('CALLOSUM_DATABASE_TLS_CERT_FILE, CALLOSUM_DATABASE_TLS_KEY_FILE: one needs the other');
  for (const [name] of given) if (!isReadable(settings[name] ?? '')) problems.push(`${name}: the file cannot be read`);
  if (problems.length > 0) throw new SettingsError(problems);
  return mode === 'verify-full' ? Object.fromEntries(given.map(([name, key]) => [key, settings[name]])) : undefined;
}

/** Says at each start that what is stored crosses a network as it is: somebody chose so, and should see it. */
export function tellWithoutTls(
  settings: DatabaseTlsSettings & { readonly CALLOSUM_DATABASE_HOST: string },
  logger: Logger,
): void {
  if (settings.CALLOSUM_DATABASE_TLS !== 'verify-full' && !isHere(settings.CALLOSUM_DATABASE_HOST))
    logger.warn({}, 'database.without-tls');
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
