import type { IncomingMessage, ServerResponse } from 'node:http';

import { parseSettings } from '@callosum/config';
import { operations } from '@callosum/contracts';
import { connectEventLog, defaultBackoff, EventLogTransport, ParkedEvents, ParkedStore } from '@callosum/event-log';
import { systemClock } from '@callosum/kernel';
import { createLogger } from '@callosum/telemetry';
import type { INestApplication } from '@nestjs/common';

import { certificateFiles } from './certificate-gauges.js';
import { createPeerClients } from './clients.js';
import { Closers } from './closers.js';
import { createApplication } from './create-application.js';
import { tellWithoutTls } from './database-settings.js';
import type { ServiceDefinition } from './definition.js';
import { Drain } from './drain.js';
import { migrateService } from './migrate-service.js';
import { startInternalGrpc } from './internal-grpc.js';
import { openDatabase, openEventLog, openObjectStore } from './open-adapters.js';
import { openArchive } from './open-archive.js';
import { openAuthenticator } from './open-authenticator.js';
import { openOutbox } from './open-outbox.js';
import { ParkedGrpc } from './parked-service.js';
import { samplePlatformGauges } from './platform-gauges.js';
import { type Readiness, readinessOf } from './readiness.js';
import { replayEvents } from './replay-events.js';
import { platformSettings } from './settings.js';
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

/**
 * Starts one service: settings, database and migrations, log, stores, Nest application, gRPC, consumers, relay.
 * What was opened before a failure is closed again. Everything ends in the reverse of the order below: gauges, relay, gRPC,
 * the application with its consumers, the archive, peers, the log, the database.
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
  const closers = new Closers(drain, logger);
  let crash: Error | undefined;
  try {
    const database = openDatabase(definition.schema, definition.schema, settings, logger);
    tellWithoutTls(settings, logger);
    closers.add(() => database.close());
    // A connection of its own: under load every one of the pool is at work, and a replica that works is no reason to take it out.
    const probe = openDatabase(
      definition.schema,
      definition.schema,
      { ...settings, CALLOSUM_DATABASE_POOL_MAX: 1 },
      logger,
    );
    closers.add(() => probe.close());
    await migrateService(database.db, definition);

    const { log, close: closeLog } = await openEventLog(definition, settings, logger);
    closers.add(closeLog);
    const objectStore = openObjectStore(settings);
    const { outbox, relay } = openOutbox(definition, database, definition.schema, settings, log, logger);
    const peers = createPeerClients(
      definition.name,
      { studyIndex: settings.CALLOSUM_STUDY_INDEX_GRPC, identity: settings.CALLOSUM_IDENTITY_GRPC },
      authenticator,
    );
    closers.add(() => peers.close());
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
    closers.add(() => app.close());
    const parked = new ParkedStore(database.db, outbox);
    const transport = new EventLogTransport({
      log,
      group: definition.name,
      parked,
      onCrash: (error) => {
        crash = error;
        logger.fatal({ err: error }, 'consumer.crashed');
      },
      onParked: (event, code, err, retried) =>
        logger.error(
          { topic: event.topic, eventId: event.id, code, err, retried: retried || undefined },
          'event.parked',
        ),
      backoff: { ...defaultBackoff, waitMs: settings.CALLOSUM_EVENT_WAIT_SECONDS * 1_000 },
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
    closers.add(() => drain.within(grpc.server.shutdown(), () => grpc.server.forceShutdown()));
    await app.init();
    const fastify = app.getHttpAdapter().getInstance();
    await fastify.ready();
    connectEventLog(app, transport);
    await app.startAllMicroservices();
    relay.start();
    closers.add(() => relay.close());
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
    closers.add(() => gauges.close());
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
      close: () => closers.closeAll(),
    };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}
