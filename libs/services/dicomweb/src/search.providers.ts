import type { Archive } from '@callosum/archive';
import { ARCHIVE, LOGGER, SETTINGS, STUDY_INDEX, type StudyIndexClient } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider, Type } from '@nestjs/common';

import { ArchiveRecentBlobs } from './adapters/recent-blobs.js';
import { IndexPresence } from './adapters/index-presence.js';
import { StudyIndexGrpc } from './adapters/study-index-grpc.js';
import type { StudyIndexReader } from './application/ports/index.js';
import { SearchMatches } from './application/search-matches.js';
import type { DicomwebSettings } from './settings.js';
import { STUDY_INDEX_READER } from './tokens.js';
import { QidoController } from './transport/http/qido.controller.js';

export const searchControllers: Type[] = [QidoController];

/** QIDO-RS (PS3.18 10.6), and the index that others ask too. */
export const searchProviders: Provider[] = [
  {
    provide: STUDY_INDEX_READER,
    inject: [STUDY_INDEX, LOGGER],
    useFactory: (client: StudyIndexClient, logger: Logger) =>
      new StudyIndexGrpc(client, new IndexPresence((error) => logger.warn({ err: error }, 'dicomweb.index-away'))),
  },
  {
    provide: SearchMatches,
    inject: [STUDY_INDEX_READER, ARCHIVE, SETTINGS],
    useFactory: (index: StudyIndexReader, archive: Archive, settings: DicomwebSettings) =>
      new SearchMatches(index, new ArchiveRecentBlobs(archive), {
        requestsMax: settings.CALLOSUM_QIDO_REQUESTS_MAX,
        indexWaitMs: settings.CALLOSUM_INDEX_WAIT_MS,
      }),
  },
];
