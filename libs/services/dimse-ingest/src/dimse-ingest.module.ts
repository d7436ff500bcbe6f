import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { ARCHIVE, CLOCK, DATABASE, OUTBOX, SETTINGS } from '@callosum/runtime';
import { Module } from '@nestjs/common';

import { ArchiveAdapter } from './adapters/archive-adapter.js';
import { OutboxReleaseAnnouncer } from './adapters/outbox-release-announcer.js';
import { NetworkAddresses } from './adapters/network-addresses.js';
import { PeerOptions } from './adapters/peer-options.js';
import { PostgresProcedureSteps } from './adapters/postgres-procedure-steps.js';
import { SettingsApplicationEntities } from './adapters/settings-application-entities.js';
import type { DimseIngestTables } from './adapters/tables.js';
import { AdmitPeer } from './application/admit-peer.js';
import { AnnounceRelease } from './application/announce-release.js';
import { ChangeProcedureStep } from './application/change-procedure-step.js';
import { GetProcedureStep } from './application/get-procedure-step.js';
import type { ProcedureSteps } from './application/ports.js';
import { StoreInstance } from './application/store-instance.js';
import { forwardingProviders } from './forwarding.providers.js';
import { pullProviders } from './pulls.providers.js';
import type { DimseIngestSettings } from './settings.js';
import { APPLICATION_ENTITIES, DIMSE_SERVICES, PROCEDURE_STEPS } from './tokens.js';
import type { DimseService } from './transport/dimse/dimse-service.js';
import { DimseListener } from './transport/dimse/dimse-listener.js';
import { InstanceStoredEvents } from './transport/events/instance-stored.events.js';
import { ForwardingHttp } from './transport/http/forwarding.http.js';
import { PullsHttp } from './transport/http/pulls.http.js';
import { ProcedureStepsLoop } from './transport/procedure-steps.loop.js';

@Module({
  controllers: [InstanceStoredEvents, ForwardingHttp, PullsHttp],
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
    {
      provide: AdmitPeer,
      useFactory: ({ CALLOSUM_DIMSE_AES }: DimseIngestSettings, clock: Clock) =>
        new AdmitPeer(CALLOSUM_DIMSE_AES, new NetworkAddresses(clock)),
      inject: [SETTINGS, CLOCK],
    },
    {
      provide: APPLICATION_ENTITIES,
      useFactory: ({ CALLOSUM_DIMSE_AES }: DimseIngestSettings) => new SettingsApplicationEntities(CALLOSUM_DIMSE_AES),
      inject: [SETTINGS],
    },
    {
      provide: PeerOptions,
      useFactory: ({ CALLOSUM_DIMSE_AE }: DimseIngestSettings) => new PeerOptions(CALLOSUM_DIMSE_AE),
      inject: [SETTINGS],
    },
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
    { provide: DIMSE_SERVICES, useFactory: (): DimseService[] => [] },
    ProcedureStepsLoop,
    DimseListener,
  ],
})
export class DimseIngestModule {}
