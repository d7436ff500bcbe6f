import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { ARCHIVE, CLOCK, DATABASE, OUTBOX, SETTINGS } from '@callosum/runtime';
import { Module } from '@nestjs/common';

import { ArchiveAdapter } from './adapters/archive-adapter.js';
import { type NoTables, OutboxReleaseAnnouncer } from './adapters/outbox-release-announcer.js';
import { NetworkAddresses } from './adapters/network-addresses.js';
import { AdmitPeer } from './application/admit-peer.js';
import { AnnounceRelease } from './application/announce-release.js';
import { StoreInstance } from './application/store-instance.js';
import type { DimseIngestSettings } from './settings.js';
import { DimseListener } from './transport/dimse/dimse-listener.js';

@Module({
  providers: [
    {
      provide: StoreInstance,
      useFactory: (archive: Archive) => new StoreInstance(new ArchiveAdapter(archive)),
      inject: [ARCHIVE],
    },
    {
      provide: AnnounceRelease,
      useFactory: (database: Database<NoTables>, outbox: Outbox, clock: Clock) =>
        new AnnounceRelease(new OutboxReleaseAnnouncer(database, outbox), clock),
      inject: [DATABASE, OUTBOX, CLOCK],
    },
    {
      provide: AdmitPeer,
      useFactory: ({ CALLOSUM_DIMSE_AES }: DimseIngestSettings, clock: Clock) =>
        new AdmitPeer(CALLOSUM_DIMSE_AES, new NetworkAddresses(clock)),
      inject: [SETTINGS, CLOCK],
    },
    DimseListener,
  ],
})
export class DimseIngestModule {}
