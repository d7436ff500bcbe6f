import type { IncomingMessage, ServerResponse } from 'node:http';

import { Archive } from '@callosum/archive';
import type { Authenticator } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { operations } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import {
  connectEventLog,
  type EventLog,
  EventLogTransport,
  isTransient,
  OutboxRelay,
  ParkedEvents,
  ParkedStore,
  PostgresOutbox,
  type ReplayerEvents,
} from '@callosum/event-log';
import { systemClock } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import { createLogger, type Logger } from '@callosum/telemetry';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';

import { ArchiveSweeper } from './archive-sweeper.js';
import { certificateFiles } from './certificate-gauges.js';
import { createPeerClients } from './clients.js';
import { tellWithoutTls } from './database-settings.js';
import type { ServiceDefinition } from './definition.js';
import { Drain } from './drain.js';
import { guardHttp } from './http-auth.js';
import { ProblemFilter, refuseUrl } from './http-errors.js';
import { traceHttp } from './http-tracing.js';
import { migrateService } from './migrate-service.js';
import { NestLogger } from './nest-logger.js';
import { startInternalGrpc } from './internal-grpc.js';
import { openDatabase, openEventLog, openObjectStore } from './open-adapters.js';
import { openAuthenticator } from './open-authenticator.js';
import { ParkedGrpc } from './parked-service.js';
import { samplePlatformGauges } from './platform-gauges.js';
import { PlatformModule } from './platform-module.js';
import { type Readiness, readinessOf } from './readiness.js';
import { archiveSchema } from './roles.js';
import { type PlatformSettings, platformSettings } from './settings.js';
import { StudyStatusGrpc } from './study-status-service.js';
import * as tokens from './tokens.js';

/** One service, started. */
export interface RunningService {
  readonly name: string;
  readonly httpPrefixes: readonly string[];
  /** Where its internal gRPC server answers. */
  readonly grpcAddress: string;
  readonly app: INestApplication;
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** True once a consumer stopped for good. */
  crashed(): boolean;
  readiness(): Promise<Readiness>;
  /** Takes no new events; resolves when those being handled have ended, or the grace has. */
  drain(): Promise<void>;
  /** Running work ends, or is abandoned at the end of the grace; then everything is closed. */
  close(): Promise<void>;
}

/** JSON bodies of our own REST calls are small decisions, not documents. */
const jsonBodyBytesMax = 1024 * 1024;

/**
 * Starts one service: settings, database and migrations, log, stores, Nest application, gRPC, consumers, relay.
 * What was opened before a failure is closed again.
 * @param processDrain of the process it shares with others; its own when not given
 */
export async function startService(
  definition: ServiceDefinition,
  env: NodeJS.ProcessEnv,
  processDrain?: Drain,
): Promise<RunningService> {
  const settings = parseSettings(platformSettings, env);
  const drain = processDrain ?? new Drain(settings.CALLOSUM_DRAIN_GRACE_MS);
  const own = parseSettings(definition.settings, env);
  const logger = createLogger(definition.name, settings.CALLOSUM_LOG_LEVEL);
  const authenticator = openAuthenticator(definition, settings, logger);
  definition.assertBinds?.(own);
  const closers: (() => Promise<unknown> | void)[] = [];
  let crash: Error | undefined;
  try {
    const database = openDatabase(definition.schema, definition.schema, settings, logger);
    tellWithoutTls(settings, logger);
    closers.push(() => database.close());
    // A connection of its own: under load every one of the pool is at work, and a replica that works is no reason to take it out.
    const probe = openDatabase(
      definition.schema,
      definition.schema,
      { ...settings, CALLOSUM_DATABASE_POOL_MAX: 1 },
      logger,
    );
    closers.push(() => probe.close());
    await migrateService(database.db, definition);

    const { log, close: closeLog } = await openEventLog(definition, settings, logger);
    closers.push(closeLog);
    const objectStore = openObjectStore(settings);
    const relay = openRelay(database, definition.schema, settings, log, logger);
    const outbox = new PostgresOutbox({
      service: definition.name,
      site: settings.CALLOSUM_SITE,
      outboxRowsMax: settings.CALLOSUM_OUTBOX_ROWS_MAX,
      onAdd: () => relay.expect(),
    });
    const peers = createPeerClients(
      definition.name,
      { studyIndex: settings.CALLOSUM_STUDY_INDEX_GRPC, identity: settings.CALLOSUM_IDENTITY_GRPC },
      authenticator,
    );
    closers.push(() => peers.close());
    const values = new Map<symbol, unknown>([
      [tokens.DATABASE, database],
      [tokens.OUTBOX, outbox],
      [tokens.OBJECT_STORE, objectStore],
      [tokens.SETTINGS, own],
      [tokens.PLATFORM_SETTINGS, settings],
      [tokens.AUTHENTICATOR, authenticator],
      [tokens.CLOCK, systemClock],
      [tokens.DRAIN, drain],
      [tokens.LOGGER, logger],
      [tokens.STUDY_INDEX, peers.studyIndex],
      [tokens.IDENTITY, peers.identity],
    ]);
    let unknownBlobs: (() => number | undefined) | undefined;
    if (definition.usesArchive) {
      const { archive, sweeper } = openArchive(definition, settings, log, objectStore, logger, closers);
      values.set(tokens.ARCHIVE, archive);
      unknownBlobs = () => sweeper.unknownBlobs;
    }

    const app = await createApplication(definition, values, authenticator, logger);
    closers.push(() => app.close());
    const parked = new ParkedStore(database.db, outbox);
    const transport = new EventLogTransport({
      log,
      group: definition.name,
      parked,
      onCrash: (error) => {
        crash = error;
        logger.fatal({ err: error }, 'consumer.crashed');
      },
      onParked: (event, code, err) =>
        logger.error(
          { topic: event.topic, eventId: event.id, code, err, retried: isTransient(err) || undefined },
          'event.parked',
        ),
      replays: replayEvents(logger),
    });
    const events = new ParkedEvents(parked, definition.name, (key, eventsMax) => transport.replay(key, eventsMax));
    const parkedGrpc = new ParkedGrpc([events, ...(definition.parked?.(app) ?? [])], logger);
    const status = new StudyStatusGrpc(
      { ...definition, db: database.db, clock: systemClock },
      definition.studyStatus?.(app),
    );
    const bindings = [
      { definition: operations.ParkedServiceDefinition, implementation: parkedGrpc },
      { definition: operations.StudyStatusServiceDefinition, implementation: status },
      ...(definition.grpc?.(app) ?? []),
    ];
    const grpc = await startInternalGrpc(definition.name, bindings, settings, authenticator, logger);
    closers.push(() => drain.within(grpc.server.shutdown(), () => grpc.server.forceShutdown()));
    await app.init();
    const fastify = app.getHttpAdapter().getInstance();
    await fastify.ready();
    connectEventLog(app, transport);
    await app.startAllMicroservices();
    relay.start();
    closers.push(() => relay.close());
    const gauges = samplePlatformGauges({
      ...definition,
      service: definition.name,
      db: database.db,
      log,
      objectStore,
      logger,
      certificates: certificateFiles({ ...settings, ...own }),
      outboxRowsMax: settings.CALLOSUM_OUTBOX_ROWS_MAX,
      ...(unknownBlobs ? { unknownBlobs } : {}),
      own: () => definition.gauges?.(app) ?? Promise.resolve([]),
    });
    closers.push(() => gauges.close());
    logger.info({ grpc: grpc.address }, 'service.started');

    return {
      name: definition.name,
      httpPrefixes: definition.httpPrefixes,
      grpcAddress: grpc.address,
      app,
      handle: (request, response) => fastify.routing(request, response),
      crashed: () => crash !== undefined,
      readiness: () =>
        readinessOf(definition, {
          database: () => probe.pool.query('select 1'),
          eventLog: () => log.ping(),
          objectStore: () => objectStore.ping(),
          service: () => definition.ready?.(app) ?? Promise.resolve(),
        }),
      drain: () => drain.within(transport.close()).catch((err: unknown) => logger.warn({ err }, 'close.failed')),
      close: () => closeAll(closers, drain, logger),
    };
  } catch (error) {
    await closeAll(closers, drain, logger);
    throw error;
  }
}

/** A log in PostgreSQL is lost and restored with the outbox: nothing to keep for it. */
function openRelay(
  { db }: Database<never>,
  schema: string,
  settings: PlatformSettings,
  log: EventLog,
  logger: Logger,
): OutboxRelay {
  const sentHours = settings.CALLOSUM_EVENT_LOG === 'kafka' ? settings.CALLOSUM_SENT_HOURS : 0;
  return new OutboxRelay({ db, log, schema, sentHours, onError: relayFailed(logger) });
}

function openArchive(
  definition: ServiceDefinition,
  settings: PlatformSettings,
  log: EventLog,
  objectStore: ObjectStore,
  logger: Logger,
  closers: (() => Promise<unknown> | void)[],
): { readonly archive: Archive; readonly sweeper: ArchiveSweeper } {
  const database = openDatabase(archiveSchema, definition.schema, settings, logger);
  closers.push(() => database.close());
  // Every service that stores runs a relay over the archive's outbox; the lock lets one at a time send.
  const relay = openRelay(database, archiveSchema, settings, log, logger).start();
  closers.push(() => relay.close());
  const outbox = new PostgresOutbox({
    service: definition.name,
    site: settings.CALLOSUM_SITE,
    outboxRowsMax: settings.CALLOSUM_OUTBOX_ROWS_MAX,
    onAdd: () => relay.expect(),
  });
  const archive = new Archive({ database, objectStore, outbox, site: settings.CALLOSUM_SITE, logger });
  const { newClient } = database;
  const sweeper = new ArchiveSweeper({ archive, newClient, site: settings.CALLOSUM_SITE, logger }).start();
  closers.push(() => sweeper.close());
  return { archive, sweeper };
}

async function createApplication(
  definition: ServiceDefinition,
  values: ReadonlyMap<symbol, unknown>,
  authenticator: Authenticator,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: jsonBodyBytesMax,
    forceCloseConnections: true,
    frameworkErrors: (_error: unknown, _request: unknown, reply: FastifyReply) =>
      (definition.refuseUrl ?? refuseUrl)(reply),
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    PlatformModule.with(definition.module, values),
    adapter,
    {
      bodyParser: false,
      abortOnError: false,
      logger: new NestLogger(logger),
    },
  );
  const fastify = adapter.getInstance();
  definition.configureHttp?.(fastify);
  if (!fastify.hasContentTypeParser('application/json')) {
    fastify.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      fastify.getDefaultJsonParser('error', 'error'),
    );
  }
  traceHttp(fastify, definition.name);
  guardHttp(fastify, definition.name, authenticator, logger);
  app.useGlobalFilters(new ProblemFilter(logger));
  return app;
}

/** A fact that is no longer tried by itself is told of like one that parks. */
function replayEvents(logger: Logger): ReplayerEvents {
  return {
    onReplayed: ({ topic, key }, { replayed, left, errorCode: code, retried = false }) => {
      if (code === undefined || retried) logger.info({ topic, key, replayed, left, code }, 'parked.retried');
      else logger.error({ topic, key, replayed, left, code }, 'parked.needs-person');
    },
    onReplayError: (err) => logger.warn({ err }, 'parked.retry-failed'),
  };
}

function relayFailed(logger: Logger) {
  return (err: unknown): void => logger.warn({ err }, 'outbox.relay-failed');
}

async function closeAll(closers: (() => Promise<unknown> | void)[], drain: Drain, logger: Logger): Promise<void> {
  drain.begin();
  for (const close of closers.reverse()) {
    try {
      await drain.within(Promise.resolve(close()));
    } catch (err) {
      logger.warn({ err }, 'close.failed');
    }
  }
  closers.length = 0;
}
