import type { Archive } from '@callosum/archive';
import { ARCHIVE, LOGGER, SETTINGS, STUDY_INDEX, type StudyIndexClient } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { QueryIndexGrpc } from './adapters/query-index-grpc.js';
import { ShownInstances } from './adapters/shown-instances.js';
import type { Destinations } from './application/destination-ports.js';
import { FindMatches } from './application/find-matches.js';
import type { ApplicationEntities, KeptObjects } from './application/ports.js';
import { RetrieveInstances } from './application/retrieve-instances.js';
import { SendInstance } from './application/send-instance.js';
import { SharedTurns } from './application/shared-turns.js';
import type { DimseIngestSettings } from './settings.js';
import { APPLICATION_ENTITIES, ARCHIVE_OBJECTS, DESTINATIONS } from './tokens.js';
import { QueryService } from './transport/dimse/query.service.js';
import { RetrieveService } from './transport/dimse/retrieve.service.js';

/** C-FIND, C-MOVE and C-GET. */
export const queryProviders: Provider[] = [
  {
    provide: QueryService,
    useFactory: (client: StudyIndexClient, { CALLOSUM_DIMSE_AE: aet }: DimseIngestSettings) =>
      new QueryService(new FindMatches(new QueryIndexGrpc(client), aet)),
    inject: [STUDY_INDEX, SETTINGS],
  },
  {
    provide: RetrieveInstances,
    useFactory: (
      client: StudyIndexClient,
      archive: Archive,
      objects: KeptObjects,
      destinations: Destinations,
      settings: DimseIngestSettings,
    ) =>
      new RetrieveInstances(
        new ShownInstances(new QueryIndexGrpc(client), archive),
        objects,
        destinations,
        new SendInstance(settings.CALLOSUM_DIMSE_TRANSCODINGS_MAX),
        new SharedTurns(settings.CALLOSUM_DIMSE_RETRIEVES_MAX),
        settings.CALLOSUM_DIMSE_RETRIEVE_INSTANCES_MAX,
      ),
    inject: [STUDY_INDEX, ARCHIVE, ARCHIVE_OBJECTS, DESTINATIONS, SETTINGS],
  },
  {
    provide: RetrieveService,
    useFactory: (retrieve: RetrieveInstances, entities: ApplicationEntities, logger: Logger) =>
      new RetrieveService(retrieve, entities, logger),
    inject: [RetrieveInstances, APPLICATION_ENTITIES, LOGGER],
  },
];
