import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { ARCHIVE, CLOCK, DATABASE, OUTBOX } from '@callosum/runtime';
import { Module } from '@nestjs/common';

import { ArchiveAdapter } from './adapters/archive-adapter.js';
import { OutboxReleaseAnnouncer } from './adapters/outbox-release-announcer.js';
import { PostgresProcedureSteps } from './adapters/postgres-procedure-steps.js';
import type { DimseIngestTables } from './adapters/tables.js';
import { AnnounceRelease } from './application/announce-release.js';
import { ChangeProcedureStep } from './application/change-procedure-step.js';
import { GetProcedureStep } from './application/get-procedure-step.js';
import type { ProcedureSteps } from './application/ports.js';
import { StoreInstance } from './application/store-instance.js';
import { commitmentProviders } from './commitment.providers.js';
import { forwardingProviders } from './forwarding.providers.js';
import { peerProviders } from './peers.providers.js';
import { pullProviders } from './pulls.providers.js';
import { queryProviders } from './query.providers.js';
import { DIMSE_SERVICES, PROCEDURE_STEPS } from './tokens.js';
import { CommitmentService } from './transport/dimse/commitment.service.js';
import type { DimseService } from './transport/dimse/dimse-service.js';
import { DimseListener } from './transport/dimse/dimse-listener.js';
import { ProcedureStepService } from './transport/dimse/procedure-step.service.js';
import { QueryService } from './transport/dimse/query.service.js';
import { RetrieveService } from './transport/dimse/retrieve.service.js';
import { WorklistService } from './transport/dimse/worklist.service.js';
import { InstanceStoredEvents } from './transport/events/instance-stored.events.js';
import { InstancesRestoredEvents } from './transport/events/instances-restored.events.js';
import { EntitiesHttp } from './transport/http/entities.http.js';
import { ForwardingHttp } from './transport/http/forwarding.http.js';
import { PullsHttp } from './transport/http/pulls.http.js';
import { ProcedureStepsLoop } from './transport/procedure-steps.loop.js';
import { worklistProviders } from './worklist.providers.js';

@Module({
  controllers: [EntitiesHttp, InstanceStoredEvents, InstancesRestoredEvents, ForwardingHttp, PullsHttp],
  providers: [
    ...forwardingProviders,
    ...pullProviders,
    {
      provide: StoreInstance,
      useFactory: (archive: Archive) => new StoreInstance(new ArchiveAdapter(archive)),
      inject: [ARCHIVE],
    },
    {
      provide: AnnounceRelease,
      useFactory: (database: Database<DimseIngestTables>, outbox: Outbox, clock: Clock) =>
        new AnnounceRelease(new OutboxReleaseAnnouncer(database, outbox), clock),
      inject: [DATABASE, OUTBOX, CLOCK],
    },
    ...peerProviders,
    {
      provide: PROCEDURE_STEPS,
      useFactory: (database: Database<DimseIngestTables>, outbox: Outbox) =>
        new PostgresProcedureSteps(database, outbox),
      inject: [DATABASE, OUTBOX],
    },
    {
      provide: ChangeProcedureStep,
      useFactory: (steps: ProcedureSteps, clock: Clock) => new ChangeProcedureStep(steps, clock),
      inject: [PROCEDURE_STEPS, CLOCK],
    },
    {
      provide: GetProcedureStep,
      useFactory: (steps: ProcedureSteps) => new GetProcedureStep(steps),
      inject: [PROCEDURE_STEPS],
    },
    ...queryProviders,
    ProcedureStepService,
    ...commitmentProviders,
    ...worklistProviders,
    {
      provide: DIMSE_SERVICES,
      useFactory: (...services: DimseService[]): DimseService[] => services,
      inject: [QueryService, RetrieveService, ProcedureStepService, CommitmentService, WorklistService],
    },
    ProcedureStepsLoop,
    DimseListener,
  ],
})
export class DimseIngestModule {}
