import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { FileObjectStore } from '@callosum/object-store';
import { preparePlatform } from '@callosum/runtime';
import { freePort } from '@callosum/testing';
import pg from 'pg';

import { type Child, startChild } from '../../../cluster/process.js';
import { waitReady } from '../../../cluster/readiness.js';
import { benchAet, type Receiver } from '../receiver.js';
import { type BenchDatabase, startDatabase } from './postgres.js';

export interface NodeOptions {
  /** Of objects and logs; removed at the end, but for logs and profiles beside it. */
  readonly dir: string;
  /** Of PostgreSQL's cluster, kept from run to run. */
  readonly databaseDir: string;
  /** Whether study-index runs beside dimse-ingest, as C-FIND and C-MOVE need it. */
  readonly withIndex?: boolean;
  /** AEs it may move to, with their ports; all on this machine. */
  readonly destinations?: Readonly<Record<string, number>>;
  /** Folder of a CPU profile of dimse-ingest; none is made without it. */
  readonly profileDir?: string;
}

export interface RunningNode extends Receiver {
  readonly database: BenchDatabase;
  /** Of dimse-ingest: written when it has stopped. */
  profile(): Promise<string | undefined>;
}

const aet = 'CALLOSUM';

/** dimse-ingest as a process of its own, as it is deployed: objects as files, PostgreSQL beside it with the log in it. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { dir, withIndex = false, profileDir } = options;
  mkdirSync(dir, { recursive: true });
  const database = await startDatabase(options.databaseDir);
  const children: Child[] = [];
  const objects = join(dir, 'objects');
  const stop = async (): Promise<void> => {
    for (const child of children.toReversed()) await child.stop();
    await database.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const names = [...(withIndex ? ['study-index'] : []), 'dimse-ingest'];
    const definitions = services.filter(({ name }) => names.includes(name));
    const passwords = new Map(definitions.map(({ schema }) => [schema, randomBytes(18).toString('base64url')]));
    const passwordOf = (role: string): string => passwords.get(role) ?? `${role} of the bench`;
    await preparePlatform({ admin: database.admin, definitions, passwordOf, eventLogInPostgres: true });
    const [port, indexPort] = [await freePort(), await freePort()];
    for (const { name, schema } of definitions) {
      const httpPort = await freePort();
      const grpcPort = name === 'study-index' ? indexPort : await freePort();
      const env: NodeJS.ProcessEnv = {
        ...process.env,
        ...settingsOf(database, options, objects),
        CALLOSUM_HTTP_PORT: String(httpPort),
        CALLOSUM_INTERNAL_GRPC: `127.0.0.1:${grpcPort}`,
        CALLOSUM_STUDY_INDEX_GRPC: `127.0.0.1:${indexPort}`,
        CALLOSUM_DIMSE_PORT: String(port),
        CALLOSUM_DATABASE_USER: schema,
        CALLOSUM_DATABASE_PASSWORD: passwordOf(schema),
        ...(name === 'dimse-ingest' ? nodeOptions(profileDir) : {}),
      };
      const child = startChild(name, `apps/${name}/dist/main.js`, env, `${dir}-${name}.log`);
      children.push(child);
      await waitReady(`http://127.0.0.1:${httpPort}/readyz`, child);
    }
    return {
      port,
      aet,
      database,
      processes: { ...Object.fromEntries(children.map(({ name, pid }) => [name, pid])), PostgreSQL: database.pid },
      stored: (bytesMin) => keptObjects(database, objects, bytesMin),
      profile: async () => (profileDir ? newestIn(profileDir) : undefined),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function settingsOf({ admin }: BenchDatabase, { destinations }: NodeOptions, objects: string): NodeJS.ProcessEnv {
  const host = '127.0.0.1';
  const aes = Object.entries({ ...destinations, [benchAet]: 104 }).map(([title, port]) => ({ aet: title, host, port }));
  return {
    CALLOSUM_DIMSE_AE: aet,
    CALLOSUM_DIMSE_AES: JSON.stringify(aes),
    CALLOSUM_DATABASE_HOST: admin.host,
    CALLOSUM_DATABASE_PORT: String(admin.port),
    CALLOSUM_DATABASE_NAME: admin.database,
    CALLOSUM_EVENT_LOG: 'postgres',
    CALLOSUM_OBJECT_STORE: 'files',
    CALLOSUM_OBJECT_STORE_DIR: objects,
  };
}

/** The chart's for dimse-ingest (helm/callosum/values.yaml), and a profile when one is wanted. */
function nodeOptions(profileDir: string | undefined): NodeJS.ProcessEnv {
  const options = [process.env['NODE_OPTIONS'] ?? '', '--max-semi-space-size=4'];
  if (profileDir !== undefined) {
    mkdirSync(profileDir, { recursive: true });
    options.push('--cpu-prof', `--cpu-prof-dir=${profileDir}`);
  }
  return { NODE_OPTIONS: options.join(' ').trim() };
}

/** Worker threads write profiles of their own; the main thread's is the one with thread 0 in its name. */
async function newestIn(profileDir: string): Promise<string | undefined> {
  const names = (await readdir(profileDir)).filter((name) => /^CPU\.\d+\.\d+\.\d+\.0\.\d+\.cpuprofile$/.test(name));
  const newest = names.sort().at(-1);
  return newest === undefined ? undefined : join(profileDir, newest);
}

/** Objects that the ledger has a row for and the store a whole file. */
async function keptObjects({ admin }: BenchDatabase, objects: string, bytesMin: number): Promise<number> {
  const { host, port, user, password, database } = admin;
  const store = new FileObjectStore({ root: objects, diskFreeBytesMin: 0 });
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    const { rows } = await client.query<{ blob_key: string; byte_count: string }>(
      'select blob_key, byte_count from archive.intake where current',
    );
    let kept = 0;
    for (const { blob_key, byte_count } of rows) {
      const { byteCount } = await store.head(blob_key);
      if (byteCount === Number(byte_count) && byteCount >= bytesMin) kept++;
    }
    return kept;
  } finally {
    await client.end();
  }
}
