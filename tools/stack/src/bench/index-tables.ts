import { services } from '@callosum/all-in-one/services';
import { connect, type DatabaseConfig, migrate } from '@callosum/database';
import { eventTablesMigrations } from '@callosum/event-log';
import { preparePlatform } from '@callosum/runtime';
import pg from 'pg';

/** Makes study-index's tables, which are empty. @returns a client that sees them; whoever asked ends it */
export async function emptyIndex(admin: DatabaseConfig): Promise<pg.Client> {
  const definitions = services.filter(({ name }) => name === 'study-index');
  const passwordOf = (role: string): string => `password of ${role}`;
  await preparePlatform({ admin, definitions, passwordOf, eventLogInPostgres: true });
  for (const { schema, migrations } of definitions) {
    const role = { ...admin, user: schema, password: passwordOf(schema) };
    const database = connect<never>(role, schema, () => undefined);
    await migrate(database.db, schema, { ...eventTablesMigrations, ...migrations });
    await database.close();
  }
  const { host, port, user, password, database } = admin;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  await client.query('set search_path to study_index');
  return client;
}
