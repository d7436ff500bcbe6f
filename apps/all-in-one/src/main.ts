import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { assertBindAllowed, lockDataFolder, parseSettings } from '@callosum/config';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@callosum/database';
import { errorMessage } from '@callosum/kernel';
import {
  Drain,
  drainProcess,
  platformSettings,
  preparePlatform,
  type RunningService,
  serveHttp,
  startService,
} from '@callosum/runtime';
import { createLogger, startTelemetry } from '@callosum/telemetry';

import { rolePasswords } from './secrets.js';
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
  for (const definition of services) assertBindsAllowed(parseSettings(definition.settings, env));
  const dataDir = resolve(env['CALLOSUM_DATA_DIR'] || '.callosum');
  const host = settings.CALLOSUM_HTTP_HOST;
  const httpPort = settings.CALLOSUM_HTTP_PORT;
  const logger = createLogger('all-in-one', settings.CALLOSUM_LOG_LEVEL);
  const release = lockDataFolder(dataDir);
  // Sockets a killed process left behind: nobody listens on them, the lock says so, and a bind would fail on them.
  rmSync(socketFolder(dataDir), { recursive: true, force: true });
  const telemetry = startTelemetry({
    serviceName: 'callosum',
    serviceVersion: '0.1.0',
    site: settings.CALLOSUM_SITE,
    ...(env['OTEL_EXPORTER_OTLP_ENDPOINT'] ? { otlpEndpoint: env['OTEL_EXPORTER_OTLP_ENDPOINT'] } : {}),
  });
  const running: RunningService[] = [];
  let started = false;
  let postgres: EmbeddedPostgres | undefined;
  const drain = new Drain(settings.CALLOSUM_DRAIN_GRACE_MS);
  const http = await serveHttp({
    host,
    port: httpPort,
    telemetry,
    publicUrl: settings.CALLOSUM_PUBLIC_URL,
    services: () => running,
    started: () => started,
    drain,
    pages: statusPage(() => running),
  });

  let ending: Promise<void> | undefined;
  const end = (code: number): Promise<void> =>
    (ending ??= (async () => {
      rmSync(join(dataDir, 'run.json'), { force: true });
      await drainProcess({ drain, http, services: running, telemetry, logger });
      await postgres?.stop();
      release();
      process.exitCode = code;
      // Handles that libraries keep open must not keep a drained process.
      setTimeout(() => process.exit(code), 500).unref();
    })());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end(0));

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
      CALLOSUM_EVENT_LOG: 'postgres',
      CALLOSUM_OBJECT_STORE: 'files',
      CALLOSUM_OBJECT_STORE_DIR: join(dataDir, 'objects'),
      CALLOSUM_FHIR_URL: `http://${host}:${http.port}/fhir`,
      CALLOSUM_PUBLIC_URL: env['CALLOSUM_PUBLIC_URL'] || `http://${host}:${http.port}`,
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
      httpUrl: `http://${host}:${http.port}`,
      studyIndexGrpc: common.CALLOSUM_STUDY_INDEX_GRPC,
      grpc: Object.fromEntries(running.map(({ name, grpcAddress }) => [name, grpcAddress])),
      database: { host: postgres.host, port: postgres.port, name: postgres.database },
      observer: { user: 'observer', password: passwordOf('observer') },
    });
    started = true;
    logger.info({ httpPort: http.port, dataDir }, 'ready');
  } catch (error) {
    logger.fatal({ err: error }, 'start.failed');
    process.stderr.write(`callosum: ${errorMessage(error)}\n`);
    await end(1);
  }
}

/** Listeners of the services' own, DIMSE and worker gRPC: refused before anything is started. */
function assertBindsAllowed(settings: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (name.endsWith('_HOST') && typeof value === 'string') assertBindAllowed(name, value);
  }
}

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

process.on('unhandledRejection', (reason) => {
  process.stderr.write(`callosum: a promise was rejected and nobody looked: ${errorMessage(reason)}\n`);
  process.exit(1);
});

main().catch((error: unknown) => {
  process.stderr.write(`callosum: ${errorMessage(error)}\n`);
  process.exit(1);
});
