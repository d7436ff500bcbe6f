import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { buffer } from 'node:stream/consumers';

import type { Archive } from '@callosum/archive';
import type { ScuOptions } from '@callosum/dimse';
import { ARCHIVE, preparePlatform, type RunningService, startService } from '@callosum/runtime';
import { studyIndex } from '@callosum/study-index-service';
import { startPostgres } from '@callosum/testing';
import pg from 'pg';

import { DimseListener, dimseIngest } from '../src/index.js';

export interface WatchedNode {
  to(callingAet?: string): ScuOptions;
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A PS3.10 file of the archive. */
  open(blobKey: string): Promise<Buffer>;
  /** What was begun and not cleaned up: files of the store without a row, rows without their file, and temporary files. */
  leftovers(): Promise<string[]>;
  /** Starts again with an archive without objects and an index without studies. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

const passwordOf = (role: string): string => `password of ${role}`;

export interface WatchedNodeOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** study-index runs beside it, for what is asked of it. */
  readonly index?: boolean;
}

/** dimse-ingest as it is deployed: real PostgreSQL, files, real sockets. */
export async function startWatchedNode(options: WatchedNodeOptions = {}): Promise<WatchedNode> {
  const server = await startPostgres();
  const folder = await mkdtemp(join(tmpdir(), 'callosum-node-'));
  const [objects, temporary] = [join(folder, 'objects'), join(folder, 'tmp')];
  await mkdir(temporary);
  const tmpBefore = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary;
  await preparePlatform({
    admin: server.admin,
    definitions: options.index ? [dimseIngest, studyIndex] : [dimseIngest],
    passwordOf,
    eventLogInPostgres: true,
  });
  const admin = new pg.Client(server.admin);
  await admin.connect();
  const env = (schema: string, more: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
    CALLOSUM_LOG_LEVEL: 'fatal',
    CALLOSUM_DIMSE_PORT: '0',
    CALLOSUM_INTERNAL_GRPC: '127.0.0.1:0',
    CALLOSUM_DRAIN_GRACE_MS: '20000',
    CALLOSUM_DATABASE_PORT: String(server.admin.port),
    CALLOSUM_DATABASE_NAME: server.admin.database,
    CALLOSUM_DATABASE_PASSWORD: passwordOf(schema),
    CALLOSUM_OBJECT_STORE_DIR: objects,
    CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    ...more,
    ...options.env,
  });
  const index = options.index ? await startService(studyIndex, env('study_index', {})) : undefined;
  const start = (): Promise<RunningService> =>
    startService(dimseIngest, env('dimse_ingest', index ? { CALLOSUM_STUDY_INDEX_GRPC: index.grpcAddress } : {}));
  let node = await start();
  const query = async <Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await admin.query<Row>(sql, [...values])).rows;
  return {
    to: (callingAet = 'CT1') => ({
      host: '127.0.0.1',
      port: node.app.get(DimseListener).port,
      calledAet: 'CALLOSUM',
      callingAet,
    }),
    query,
    open: async (blobKey) => buffer(await node.app.get<Archive>(ARCHIVE).open(blobKey)),
    leftovers: async () => {
      const rows = await query<{ blob_key: string }>('select blob_key from archive.intake');
      const named = new Set(rows.map(({ blob_key }) => blob_key));
      // What the archive notes beside the blobs, of revisions, has no rows.
      const there = new Set((await filesIn(objects)).filter((path) => /^\.staging\/|\/blobs\//.test(path)));
      return [
        ...[...there].filter((path) => !named.has(path)).map((path) => `no row: ${path}`),
        ...[...named].filter((path) => !there.has(path)).map((path) => `no file: ${path}`),
        ...(await filesIn(temporary)).map((path) => `temporary: ${path}`),
      ];
    },
    empty: async () => {
      await node.close();
      await query('truncate archive.intake, archive.outbox');
      await rm(objects, { recursive: true, force: true });
      node = await start();
    },
    stop: async () => {
      await node.close();
      await index?.close();
      await admin.end();
      await server.stop();
      if (tmpBefore === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = tmpBefore;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
}
