import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import pg from 'pg';

import type { ObjectSet } from './objects.js';
import { startDatabase } from './receivers/postgres.js';

/**
 * What the disk and PostgreSQL give one writer that does nothing else: each object written to a file of its own and flushed, then
 * one row committed. No network, no parsing, no digest, no folder flushed.
 * @returns seconds for all of the first association's objects
 */
export async function rawLoop(dir: string, databaseDir: string, { folders }: ObjectSet): Promise<number> {
  const objects = folders.flatMap((folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name))));
  mkdirSync(dir, { recursive: true });
  const database = await startDatabase(databaseDir);
  const { host, port, user, password, database: name } = database.admin;
  const client = new pg.Client({ host, port, user, password, database: name });
  try {
    await client.connect();
    await client.query('create table raw_loop (id integer primary key, path text not null)');
    const started = performance.now();
    for (const [id, bytes] of objects.entries()) {
      const path = join(dir, `${id}.dcm`);
      const file = openSync(path, 'wx', 0o600);
      for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
      fsyncSync(file);
      closeSync(file);
      await client.query({ name: 'insert', text: 'insert into raw_loop values ($1, $2)', values: [id, path] });
    }
    return (performance.now() - started) / 1000;
  } finally {
    await client.end();
    await database.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
