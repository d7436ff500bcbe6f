import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { oidcConfig } from '@callosum/auth';
import { lockDataFolder, parseSettings } from '@callosum/config';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@callosum/database';
import { errorMessage } from '@callosum/kernel';
import {
  assertHttpBind,
  assertMetricsBind,
  endOnUnhandledRejection,
  assertPortsUsable,
  type Listening,
  openProcess,
  platformPorts,
  type PlatformSettings,
  platformSettings,
  prefixOf,
  preparePlatform,
  startService,
} from '@callosum/runtime';

import { rolePasswords, serviceKeysFile } from './secrets.js';
import { services } from './services.js';
import { statusPage } from './status-page.js';

/** Unix socket paths longer than this are refused by the system (sockaddr_un). */
const socketPathMax = 100;

/**
 * Every service in one process on embedded parts: the real PostgreSQL in the data folder, the log in it, blobs as
 * files. The services are the same Nest applications that run alone; they meet through the log and gRPC on local
 * sockets, and one router owns the HTTP port.
 */
async function main(): Promise<void> {
  const env = process.env;
  const settings = parseSettings(platformSettings, env);
  // Every service reads its own again; a bad one is told before a database is started for it.
  const ports = portsOf(settings);
  for (const definition of services) {
    const own = parseSettings(definition.settings, env);
    definition.assertBinds?.(own);
    ports.push(...(definition.listensOn?.(own) ?? []));
  }
  assertHttpBind({ host: settings.CALLOSUM_HTTP_HOST, authenticated: oidcConfig(settings) !== undefined });
  assertMetricsBind(settings);
  const dataDir = resolve(env['CALLOSUM_DATA_DIR'] || '.callosum');
  const host = settings.CALLOSUM_HTTP_HOST;
  // Services reach each other, and tools reach them, at an address, not at "all of them".
  const self = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  const unlock = lockDataFolder(dataDir);
  await assertPortsUsable(ports).catch((error: unknown) => {
    unlock();
    throw error;
  });
  // Sockets a killed process left behind: nobody listens on them, the lock says so, and a bind would fail on them.
  rmSync(socketFolder(dataDir), { recursive: true, force: true });
  let started = false;
  let postgres: EmbeddedPostgres | undefined;
  const opened = await openProcess({
    name: 'all-in-one',
    serviceName: 'callosum',
    settings,
    writesFiles: true,
    started: () => started,
    pages: (running, metrics) => statusPage(running, { metrics, prefix: prefixOf(settings.CALLOSUM_PUBLIC_URL) }),
    release: async () => {
      rmSync(join(dataDir, 'run.json'), { force: true });
      await postgres?.stop();
      unlock();
    },
  });
  const { logger, drain, services: running, httpPort, end } = opened;

  try {
    postgres = await startEmbeddedPostgres({
      dataDir,
      note: (note) => logger.warn({ note }, 'postgres.note'),
      onExit: (err) => {
        logger.fatal({ err }, 'postgres.ended');
        void end(1);
      },
    });
    const passwordOf = rolePasswords(dataDir);
    await preparePlatform({ admin: postgres, definitions: services, passwordOf, eventLogInPostgres: true });
    const common = {
      ...env,
      CALLOSUM_DATABASE_HOST: postgres.host,
      CALLOSUM_DATABASE_PORT: String(postgres.port),
      CALLOSUM_DATABASE_NAME: postgres.database,
      CALLOSUM_DATABASE_TLS: 'off',
      CALLOSUM_EVENT_LOG: 'postgres',
      CALLOSUM_OBJECT_STORE: 'files',
      CALLOSUM_OBJECT_STORE_DIR: join(dataDir, 'objects'),
      // Services of one process share no secret but this file's; sockets need none, the FHIR port does.
      CALLOSUM_AUTH_SERVICE_KEYS_FILE: env['CALLOSUM_AUTH_SERVICE_KEYS_FILE'] || serviceKeysFile(dataDir),
      CALLOSUM_INFERENCE_GRPC: socket(dataDir, 'inference-orchestrator'),
      CALLOSUM_FHIR_URL: `http://${self}:${httpPort}/fhir`,
      CALLOSUM_PUBLIC_URL: env['CALLOSUM_PUBLIC_URL'] || `http://${self}:${httpPort}`,
      CALLOSUM_STUDY_INDEX_GRPC: socket(dataDir, 'study-index'),
      CALLOSUM_IDENTITY_GRPC: socket(dataDir, 'identity-mapping'),
    };
    for (const definition of services) {
      running.push(
        await startService(
          definition,
          {
            ...common,
            CALLOSUM_DATABASE_USER: definition.schema,
            CALLOSUM_DATABASE_PASSWORD: passwordOf(definition.schema),
            CALLOSUM_INTERNAL_GRPC: socket(dataDir, definition.name),
          },
          drain,
        ),
      );
    }
    writeRunFile(dataDir, {
      pid: process.pid,
      httpUrl: `http://${self}:${httpPort}`,
      grpc: Object.fromEntries(running.map(({ name, grpcAddress }) => [name, grpcAddress])),
      database: { host: postgres.host, port: postgres.port, name: postgres.database },
      observer: { user: 'observer', password: passwordOf('observer') },
    });
    started = true;
    logger.info({ httpPort, dataDir }, 'ready');
  } catch (error) {
    logger.fatal({ err: error }, 'start.failed');
    process.stderr.write(`callosum: ${errorMessage(error)}\n`);
    await end(1);
  }
}

/** Between themselves the services of this process use sockets. */
const portsOf = (settings: PlatformSettings): Listening[] =>
  platformPorts({ ...settings, CALLOSUM_INTERNAL_GRPC: 'unix:' });

const socketFolder = (dataDir: string): string => join(dataDir, 'run');

/** A local socket for a service's internal gRPC. */
function socket(dataDir: string, name: string): string {
  const folder = socketFolder(dataDir);
  const inside = join(folder, `${name}.sock`);
  const path = inside.length <= socketPathMax ? inside : join(tmpdir(), `callosum-${process.pid}-${name}.sock`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return `unix:${path}`;
}

/** How tools on this machine find the running system; holds the observer's password, so for its owner only. */
function writeRunFile(dataDir: string, content: unknown): void {
  const path = join(dataDir, 'run.json');
  writeFileSync(`${path}.new`, JSON.stringify(content, null, 2), { mode: 0o600 });
  if (existsSync(path)) rmSync(path);
  renameSync(`${path}.new`, path);
}

endOnUnhandledRejection('callosum');

main().catch((error: unknown) => {
  process.stderr.write(`callosum: ${errorMessage(error)}\n`);
  process.exit(1);
});
