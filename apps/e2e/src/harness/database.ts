import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import pg from 'pg';

import type { Callosum } from './callosum.js';

interface RunFile {
  readonly database: { readonly host: string; readonly port: number; readonly name: string };
}

/** The embedded database as its administrator reaches it. */
export function administrator({ dataDir }: Pick<Callosum, 'dataDir'>) {
  const { database } = JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as RunFile;
  const { host, port, name } = database;
  const password = readFileSync(join(dataDir, 'postgres.password'), 'utf8').trim();
  return { host, port, database: name, user: 'postgres', password };
}

/** Asks the embedded database as its administrator: what no service shows from outside (facts, parked work). */
export async function query<Row extends pg.QueryResultRow>(
  system: Pick<Callosum, 'dataDir'>,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  return queryAs<Row>(administrator(system), sql, values);
}

/** One statement on a connection of its own. */
export async function queryAs<Row extends pg.QueryResultRow>(
  config: pg.ClientConfig,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return (await client.query<Row>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** How many objects of a study the archive acknowledged, every version counted. */
export async function keptCount(system: Pick<Callosum, 'dataDir'>, studyInstanceUid: string): Promise<number> {
  const rows = await query<{ count: string }>(
    system,
    'select count(*) as count from archive.intake where study_instance_uid = $1',
    [studyInstanceUid],
  );
  return Number(rows[0]?.count ?? 0);
}

/**
 * How many facts of a topic name the study, whatever their key. A relay that was killed between its append and the end of its
 * outbox appends the same one again, with its id: that is one fact.
 */
export async function factCount(
  system: Pick<Callosum, 'dataDir'>,
  topic: string,
  studyInstanceUid: string,
): Promise<number> {
  const rows = await query<{ count: string }>(
    system,
    'select count(distinct event_id) as count from event_log.events where topic = $1 and value like $2',
    [topic, `%"${studyInstanceUid}"%`],
  );
  return Number(rows[0]?.count ?? 0);
}

/** Everything set aside for a person to look at, in every service's schema: group, topic and why. */
export async function parked(system: Pick<Callosum, 'dataDir'>): Promise<string[]> {
  const schemas = await query<{ schema: string }>(
    system,
    "select table_schema as schema from information_schema.tables where table_name = 'parked' order by 1",
  );
  const found: string[] = [];
  for (const { schema } of schemas) {
    const rows = await query<{ line: string }>(
      system,
      `select consumer_group || ' ' || topic || ' ' || coalesce(error_code, '') as line from "${schema}".parked`,
    );
    found.push(...rows.map(({ line }) => `${schema}: ${line}`));
  }
  return found;
}
