import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { assertDataFolderFree, makeDataFolder } from '@callosum/config';
import { connect, databaseDefaults } from '@callosum/database';
import { PostgresEventLog } from '@callosum/event-log';

import { type Child, startChild, waitReady, watchChildren } from '@callosum/stack';
import type { System } from './system.js';

interface RunFile {
  readonly pid: number;
  readonly httpUrl: string;
  readonly database: { host: string; port: number; name: string };
  readonly observer: { user: string; password: string };
}

/** apps/all-in-one in a process of its own, and the reference worker in another. `given` gives up the start. */
export async function startEmbedded(workers: boolean, given: AbortSignal): Promise<System> {
  const env = { ...process.env };
  const dataDir = resolve(env['CALLOSUM_DATA_DIR'] || '.callosum');
  makeDataFolder(dataDir);
  // callosum.log is the running one's: a second one says that it is refused to the person, and not there.
  assertDataFolderFree(dataDir);
  const httpPort = env['CALLOSUM_HTTP_PORT'] || '8080';
  const grpcPort = env['CALLOSUM_GRPC_PORT'] || '50051';
  const runPath = join(dataDir, 'run.json');
  const children: Child[] = [];
  const startedAt = new Date();
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    for (const child of [...children].reverse()) await child.stop();
  };
  // A child that is asked to end while it starts ends the wait for it.
  given.addEventListener('abort', () => void stop());
  try {
    const main = startChild('callosum', 'apps/all-in-one/dist/main.js', env, join(dataDir, 'callosum.log'));
    children.push(main);
    // Another Callosum may answer on the port, or have the folder: only what this child wrote speaks for it.
    const written = (): boolean => existsSync(runPath) && readRun(runPath).pid === main.pid;
    await waitReady(`http://${env['CALLOSUM_HTTP_HOST'] || '127.0.0.1'}:${httpPort}/readyz`, main, written);
    const run = readRun(runPath);
    if (workers) {
      const target = { ...env, CALLOSUM_WORKER_TARGET: `${env['CALLOSUM_GRPC_HOST'] || '127.0.0.1'}:${grpcPort}` };
      children.push(
        startChild('lung-ct worker', 'examples/lung-ct/dist/main.js', target, join(dataDir, 'lung-ct.log')),
      );
    }
    const observer = connect<never>(
      {
        ...databaseDefaults,
        host: run.database.host,
        port: run.database.port,
        database: run.database.name,
        ...run.observer,
        poolMax: 3,
      },
      'observer',
      () => undefined,
    );
    const log = new PostgresEventLog({ db: observer.db, onError: () => undefined });
    return {
      title: `Callosum, all services in one process, data in ${dataDir}`,
      dicomwebUrl: run.httpUrl,
      fhirUrl: `${run.httpUrl}/fhir`,
      inferenceUrl: run.httpUrl,
      workers,
      startedAt,
      dimse: {
        host: env['CALLOSUM_DIMSE_HOST'] || '127.0.0.1',
        port: Number(env['CALLOSUM_DIMSE_PORT'] || 11112),
        aeTitle: env['CALLOSUM_DIMSE_AE'] || 'CALLOSUM',
      },
      log,
      failed: watchChildren(children, () => stopping),
      stop: async () => {
        stopping = true;
        await log.close();
        await observer.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const readRun = (path: string): RunFile => JSON.parse(readFileSync(path, 'utf8')) as RunFile;
