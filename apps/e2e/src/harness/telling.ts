import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Callosum } from './callosum.js';
import type { Collector } from './collector.js';
import { query } from './database.js';

/** Everything a system tells those who run it, piece by piece: what may hold no patient data. */
export interface Told {
  readonly 'log lines of the services': readonly string[];
  readonly 'log lines of the worker': readonly string[];
  readonly 'log lines of PostgreSQL': readonly string[];
  readonly 'exported spans': readonly string[];
  readonly metrics: readonly string[];
  readonly 'events, their keys and headers': readonly string[];
  readonly 'parked facts and publications, with their codes': readonly string[];
  readonly 'facts in outboxes': readonly string[];
}

/** Reads all of it as it stands now. */
export async function toldBy(system: Callosum, collector: Collector): Promise<Told> {
  const metrics = await (await fetch(`${system.httpUrl}/metrics`)).text();
  return {
    'log lines of the services': lines(system, 'callosum.log'),
    'log lines of the worker': lines(system, 'lung-ct.log'),
    'log lines of PostgreSQL': lines(system, 'postgres.log'),
    'exported spans': [...collector.bodies],
    metrics: metrics.split('\n'),
    'events, their keys and headers': await rows(system, 'event_log', 'events'),
    'parked facts and publications, with their codes': [
      ...(await rowsOfAll(system, 'parked')),
      ...(await texts(system, 'select kind, state, error_code, job_id, model_key from result_publisher.publication')),
    ],
    'facts in outboxes': await rowsOfAll(system, 'outbox'),
  };
}

const lines = ({ dataDir }: Callosum, file: string): string[] =>
  readFileSync(join(dataDir, file), 'utf8').split('\n').filter(Boolean);

async function rowsOfAll(system: Callosum, table: string): Promise<string[]> {
  const schemas = await query<{ schema: string }>(
    system,
    'select table_schema as schema from information_schema.tables where table_name = $1 order by 1',
    [table],
  );
  return (await Promise.all(schemas.map(({ schema }) => rows(system, schema, table)))).flat();
}

const rows = (system: Callosum, schema: string, table: string): Promise<string[]> =>
  texts(system, `select * from "${schema}"."${table}"`);

async function texts(system: Callosum, select: string): Promise<string[]> {
  const found = await query<{ row: string }>(system, `select row_to_json(one)::text as row from (${select}) as one`);
  return found.map(({ row }) => row);
}
