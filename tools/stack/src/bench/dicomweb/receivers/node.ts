import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { services } from '@callosum/all-in-one/services';
import { preparePlatform } from '@callosum/runtime';
import { freePort } from '@callosum/testing';
import pg from 'pg';

import { type Child, startChild } from '../../../cluster/process.js';
import { waitReady } from '../../../cluster/readiness.js';
import type { Places } from '../../command-line.js';
import { type BenchDatabase, startDatabase } from '../../dimse/receivers/postgres.js';
import type { Receiver } from '../receiver.js';

export interface RunningNode extends Receiver {
  /** Base URL of all that dicomweb serves, the viewer too. */
  readonly site: string;
  readonly database: BenchDatabase;
}

const host = '127.0.0.1';
const names = ['study-index', 'dicomweb'];
/** Hundreds of objects are indexed in seconds. */
const settledMsMax = 600_000;

/**
 * dicomweb and study-index as processes of their own, as they are deployed: objects as files, PostgreSQL beside them with the log
 * in it, their default settings.
 * @param more settings of dicomweb
 */
export async function startNode(
  { runs, database: databaseDir }: Places,
  more: NodeJS.ProcessEnv = {},
): Promise<RunningNode> {
  const dir = join(runs, 'node');
  mkdirSync(dir, { recursive: true });
  const database = await startDatabase(databaseDir);
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children.toReversed()) await child.stop();
    await database.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const definitions = services.filter(({ name }) => names.includes(name));
    const passwords = new Map(definitions.map(({ schema }) => [schema, randomBytes(18).toString('base64url')]));
    const passwordOf = (role: string): string => passwords.get(role) ?? `${role} of the bench`;
    await preparePlatform({ admin: database.admin, definitions, passwordOf, eventLogInPostgres: true });
    const [indexPort, httpPort] = [await freePort(), await freePort()];
    const site = `http://${host}:${httpPort}`;
    for (const name of names) {
      const isDoor = name === 'dicomweb';
      const schema = definitions.find((one) => one.name === name)?.schema ?? '';
      const port = isDoor ? httpPort : await freePort();
      const env: NodeJS.ProcessEnv = {
        ...process.env,
        ...settingsOf(database, join(dir, 'objects')),
        CALLOSUM_HTTP_PORT: String(port),
        CALLOSUM_PUBLIC_URL: site,
        CALLOSUM_INTERNAL_GRPC: `${host}:${isDoor ? await freePort() : indexPort}`,
        CALLOSUM_STUDY_INDEX_GRPC: `${host}:${indexPort}`,
        CALLOSUM_DATABASE_USER: schema,
        CALLOSUM_DATABASE_PASSWORD: passwordOf(schema),
        ...(isDoor ? more : {}),
      };
      const child = startChild(name, `apps/${name}/dist/main.js`, env, `${dir}-${name}.log`);
      children.push(child);
      await waitReady(`http://${host}:${port}/readyz`, child);
    }
    return {
      name: 'node',
      base: `${site}/dicom-web`,
      site,
      database,
      processes: { ...Object.fromEntries(children.map(({ name, pid }) => [name, pid])), PostgreSQL: database.pid },
      stored: () => countOf(database, 'archive.intake where current'),
      settled: () => indexed(database),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const settingsOf = ({ admin }: BenchDatabase, objects: string): NodeJS.ProcessEnv => ({
  CALLOSUM_DATABASE_HOST: admin.host,
  CALLOSUM_DATABASE_PORT: String(admin.port),
  CALLOSUM_DATABASE_NAME: admin.database,
  CALLOSUM_EVENT_LOG: 'postgres',
  CALLOSUM_OBJECT_STORE: 'files',
  CALLOSUM_OBJECT_STORE_DIR: objects,
});

/** Waits until the index has a row for every current object of the ledger. @throws when it never has */
async function indexed(database: BenchDatabase): Promise<void> {
  for (const deadline = Date.now() + settledMsMax; ; await sleep(200)) {
    const missing = await countOf(
      database,
      `archive.intake i where i.current and not exists (
        select from study_index.instance o
        where o.sop_instance_uid = i.sop_instance_uid collate "C" and o.blob_key = i.blob_key collate "C")`,
    );
    if (missing === 0) return;
    if (Date.now() > deadline)
      throw new Error(`the index does not know ${missing} objects after ${settledMsMax / 1000} s`);
  }
}

async function countOf({ admin }: BenchDatabase, from: string): Promise<number> {
  const { user, password, port, database } = admin;
  const client = new pg.Client({ host: admin.host, port, user, password, database });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>(`select count(*) as count from ${from}`);
    return Number(rows[0]?.count);
  } finally {
    await client.end();
  }
}
