import type { Database } from '@callosum/database';
import { isTransient, Waker } from '@callosum/event-log';
import { DATABASE, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { DicomPullSource } from './adapters/dicom-pull-source.js';
import { PeerOptions } from './adapters/peer-options.js';
import { PostgresPulls } from './adapters/postgres-pulls.js';
import type { PullTables } from './adapters/pull-tables.js';
import { AnnounceRelease } from './application/announce-release.js';
import type { ApplicationEntities } from './application/ports.js';
import type { Pulls } from './application/pull-ports.js';
import { StoreInstance } from './application/store-instance.js';
import { WorkOffPull } from './application/work-off-pull.js';
import type { DimseIngestSettings } from './settings.js';
import { APPLICATION_ENTITIES, PULL_WAKER, PULLS } from './tokens.js';
import { answerOf } from './transport/dimse/status-of.js';
import { observedPulled } from './transport/observed-pulled.js';
import { PullsLoop } from './transport/pulls.loop.js';

const hourMs = 3_600_000;

/** Pulls: their rows, and the workers that ask other nodes. */
export const pullProviders: Provider[] = [
  { provide: PULL_WAKER, useFactory: () => new Waker() },
  {
    provide: PULLS,
    inject: [DATABASE, PULL_WAKER],
    useFactory: (database: Database<PullTables>, waker: Waker) => new PostgresPulls(database, () => waker.wake()),
  },
  {
    provide: WorkOffPull,
    inject: [PULLS, APPLICATION_ENTITIES, PeerOptions, StoreInstance, AnnounceRelease, SETTINGS, LOGGER],
    useFactory: (
      pulls: Pulls,
      entities: ApplicationEntities,
      peers: PeerOptions,
      storeInstance: StoreInstance,
      announceRelease: AnnounceRelease,
      settings: DimseIngestSettings,
      logger: Logger,
    ) =>
      new WorkOffPull({
        pulls,
        entities,
        storeInstance,
        announceRelease,
        source: new DicomPullSource(peers, {
          aet: settings.CALLOSUM_DIMSE_AE,
          privateSopClassUids: settings.CALLOSUM_DIMSE_PRIVATE_SOP_CLASSES,
          responseMs: settings.CALLOSUM_PULL_RESPONSE_TIMEOUT_MS,
          searchMs: settings.CALLOSUM_PULL_SEARCH_TIMEOUT_MS,
          onError: (err) => logger.error({ err }, 'dimse.failed'),
        }),
        refusalOf: answerOf,
        observe: observedPulled(logger),
        isOutage: isTransient,
        onUnannounced: (err) => logger.error({ err }, 'assoc.release-not-announced'),
        studiesMax: settings.CALLOSUM_PULL_STUDIES_MAX,
        giveUpMs: settings.CALLOSUM_PULL_GIVE_UP_HOURS * hourMs,
      }),
  },
  PullsLoop,
];
