import type { Database } from '@callosum/database';
import { type Outbox, Waker } from '@callosum/event-log';
import { type Clock, newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import {
  CLOCK,
  DATABASE,
  LOGGER,
  OBJECT_STORE,
  OUTBOX,
  PLATFORM_SETTINGS,
  type PlatformSettings,
  SETTINGS,
  STUDY_INDEX,
  type StudyIndexClient,
} from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Module } from '@nestjs/common';

import { StoredArtifacts } from './adapters/artifacts.js';
import { StoredBlobs } from './adapters/blobs.js';
import { StoredLabelMaps } from './adapters/label-maps.js';
import { PostgresAttempts } from './adapters/postgres/attempts.js';
import { PostgresCredentials } from './adapters/postgres/credentials.js';
import { PostgresJobQueries } from './adapters/postgres/job-queries.js';
import { PostgresModels } from './adapters/postgres/models.js';
import { PostgresScheduling } from './adapters/postgres/scheduling.js';
import type { Tables } from './adapters/postgres/tables.js';
import { GrpcStudies } from './adapters/studies.js';
import type { Credentials } from './application/credential-ports.js';
import type { Artifacts, Attempts, Blobs, LabelMaps, Models, Studies } from './application/ports.js';
import type { OrchestratorSettings } from './settings.js';
import {
  ARTIFACTS,
  ATTEMPTS,
  BLOBS,
  CREDENTIALS,
  JOB_QUERIES,
  LABEL_MAPS,
  MODELS,
  SCHEDULING,
  STUDIES,
  WAKER,
} from './tokens.js';
import { CredentialsGrpc } from './transport/credentials.grpc.js';
import { InferenceHttp } from './transport/inference.http.js';
import { ProcedureStepEvents } from './transport/procedure-step.events.js';
import { SeriesCompletedEvents } from './transport/series-completed.events.js';
import { StudyCompletedEvents } from './transport/study-completed.events.js';
import { UpkeepLoop } from './transport/upkeep.loop.js';
import { WorkerServer } from './transport/worker-server.js';
import { WorkerGrpc } from './transport/worker.grpc.js';

@Module({
  controllers: [StudyCompletedEvents, SeriesCompletedEvents, ProcedureStepEvents, InferenceHttp],
  providers: [
    UpkeepLoop,
    WorkerServer,
    { provide: WAKER, useFactory: () => new Waker() },
    { provide: STUDIES, inject: [STUDY_INDEX], useFactory: (client: StudyIndexClient) => new GrpcStudies(client) },
    { provide: BLOBS, inject: [OBJECT_STORE], useFactory: (objects: ObjectStore) => new StoredBlobs(objects) },
    {
      provide: JOB_QUERIES,
      inject: [DATABASE],
      useFactory: (database: Database<Tables>) => new PostgresJobQueries(database),
    },
    {
      provide: CREDENTIALS,
      inject: [DATABASE],
      useFactory: (database: Database<Tables>) => new PostgresCredentials(database),
    },
    {
      provide: CredentialsGrpc,
      inject: [CREDENTIALS, CLOCK, LOGGER],
      useFactory: (credentials: Credentials, clock: Clock, log: Logger) => new CredentialsGrpc(credentials, clock, log),
    },
    {
      provide: LABEL_MAPS,
      inject: [DATABASE, OBJECT_STORE, PLATFORM_SETTINGS],
      useFactory: (database: Database<Tables>, objects: ObjectStore, { CALLOSUM_SITE }: PlatformSettings) =>
        new StoredLabelMaps(database, objects, CALLOSUM_SITE),
    },
    {
      provide: ARTIFACTS,
      inject: [OBJECT_STORE, PLATFORM_SETTINGS],
      useFactory: (objects: ObjectStore, { CALLOSUM_SITE }: PlatformSettings) =>
        new StoredArtifacts(objects, CALLOSUM_SITE),
    },
    {
      provide: MODELS,
      inject: [DATABASE, SETTINGS],
      useFactory: (database: Database<Tables>, settings: OrchestratorSettings) =>
        new PostgresModels(database, {
          backfillMs: settings.CALLOSUM_MODEL_BACKFILL_MS,
          modelsMax: settings.CALLOSUM_MODELS_MAX,
          retentionMs: settings.CALLOSUM_MODEL_RETENTION_MS,
        }),
    },
    {
      provide: SCHEDULING,
      inject: [DATABASE, OUTBOX, CLOCK, SETTINGS],
      useFactory: (database: Database<Tables>, outbox: Outbox, clock: Clock, settings: OrchestratorSettings) =>
        new PostgresScheduling(database, outbox, clock, settings.CALLOSUM_DISCONTINUED_STEPS),
    },
    {
      provide: ATTEMPTS,
      inject: [DATABASE, OUTBOX, CLOCK, SETTINGS],
      useFactory: (database: Database<Tables>, outbox: Outbox, clock: Clock, settings: OrchestratorSettings) =>
        new PostgresAttempts(database, outbox, clock, {
          attemptsMax: settings.CALLOSUM_JOB_ATTEMPTS_MAX,
          leaseMs: settings.CALLOSUM_JOB_LEASE_MS,
          attemptMsMax: settings.CALLOSUM_JOB_ATTEMPT_MS_MAX,
        }),
    },
    {
      provide: WorkerGrpc,
      inject: [ATTEMPTS, LABEL_MAPS, ARTIFACTS, MODELS, STUDIES, BLOBS, WAKER, CLOCK, LOGGER, SETTINGS],
      useFactory: (
        attempts: Attempts,
        labelMaps: LabelMaps,
        artifacts: Artifacts,
        models: Models,
        studies: Studies,
        blobs: Blobs,
        waker: Waker,
        clock: Clock,
        log: Logger,
        settings: OrchestratorSettings,
      ) =>
        new WorkerGrpc({
          attempts,
          labelMaps,
          artifacts,
          models,
          studies,
          blobs,
          waker,
          clock,
          log,
          orchestratorInstanceId: newId(),
          heartbeatMs: settings.CALLOSUM_WORKER_HEARTBEAT_MS,
          leaseMs: settings.CALLOSUM_JOB_LEASE_MS,
          attemptMsMax: settings.CALLOSUM_JOB_ATTEMPT_MS_MAX,
          streamsMax: settings.CALLOSUM_WORKER_STREAMS_MAX,
          streamsOfVendorMax: settings.CALLOSUM_WORKER_STREAMS_OF_VENDOR_MAX,
        }),
    },
  ],
})
export class InferenceOrchestratorModule {}
