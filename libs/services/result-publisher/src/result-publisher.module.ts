import type { Archive } from '@callosum/archive';
import type { Authenticator } from '@callosum/auth';
import type { Database } from '@callosum/database';
import { isTransient, type Outbox, Waker } from '@callosum/event-log';
import { FhirClient } from '@callosum/fhir';
import type { Clock } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import {
  ARCHIVE,
  AUTHENTICATOR,
  CLOCK,
  DATABASE,
  DRAIN,
  type Drain,
  IDENTITY,
  type IdentityClient,
  OBJECT_STORE,
  OUTBOX,
  PLATFORM_SETTINGS,
  type PlatformSettings,
  STUDY_INDEX,
  type StudyIndexClient,
} from '@callosum/runtime';
import { currentTraceparent } from '@callosum/telemetry';
import { Module } from '@nestjs/common';

import { ArchivedResults } from './adapters/archived-results.js';
import { FhirServer } from './adapters/fhir-server.js';
import { StoredLabelMaps } from './adapters/label-maps.js';
import { StoredArtifacts } from './adapters/artifacts.js';
import { meteredArchive, meteredFhir, recordEndToEnd } from './adapters/metered.js';
import { GrpcPublishLeases, GrpcStudyReader, pause } from './adapters/peers.js';
import { PostgresFactStore } from './adapters/postgres/fact-store.js';
import { PostgresPublications } from './adapters/postgres/publications.js';
import type { Tables } from './adapters/postgres/tables.js';
import { PostgresWrittenLedger } from './adapters/postgres/written-ledger.js';
import type { PublishDependencies } from './application/publish.js';
import { FACTS, PUBLICATIONS, PUBLISHING, WAKER } from './tokens.js';
import { FactsController } from './transport/events/facts.events.js';
import { PublicationLoop } from './transport/publication.loop.js';

/** The trace goes on inside the FHIR server. */
function traceHeaders(): Record<string, string> {
  const traceparent = currentTraceparent();
  return traceparent ? { traceparent } : {};
}

@Module({
  controllers: [FactsController],
  providers: [
    PublicationLoop,
    { provide: WAKER, useFactory: () => new Waker() },
    {
      provide: FACTS,
      inject: [DATABASE, WAKER],
      useFactory: (database: Database<Tables>, waker: Waker) => new PostgresFactStore(database, () => waker.wake()),
    },
    {
      provide: PUBLICATIONS,
      inject: [DATABASE, OUTBOX, CLOCK],
      useFactory: (database: Database<Tables>, outbox: Outbox, clock: Clock) =>
        new PostgresPublications(database, outbox, clock),
    },
    {
      provide: PUBLISHING,
      inject: [PLATFORM_SETTINGS, STUDY_INDEX, IDENTITY, ARCHIVE, OBJECT_STORE, DATABASE, AUTHENTICATOR, DRAIN],
      useFactory: (
        settings: PlatformSettings,
        studyIndex: StudyIndexClient,
        identity: IdentityClient,
        archive: Archive,
        objects: ObjectStore,
        database: Database<Tables>,
        { fhirToken: accessToken }: Authenticator,
        drain: Drain,
      ): PublishDependencies => ({
        studies: new GrpcStudyReader(studyIndex),
        leases: new GrpcPublishLeases(identity),
        archive: meteredArchive(new ArchivedResults(archive)),
        fhir: meteredFhir(
          new FhirServer(
            new FhirClient({
              baseUrl: settings.CALLOSUM_FHIR_URL,
              headers: traceHeaders,
              ...(accessToken ? { accessToken } : {}),
            }),
          ),
        ),
        labelMaps: new StoredLabelMaps(objects),
        artifacts: new StoredArtifacts(objects),
        ledger: new PostgresWrittenLedger(database),
        isOutage: isTransient,
        publicUrl: settings.CALLOSUM_PUBLIC_URL,
        site: settings.CALLOSUM_SITE,
        pause,
        ending: drain.began,
        onWritten: recordEndToEnd,
      }),
    },
  ],
})
export class ResultPublisherModule {}
