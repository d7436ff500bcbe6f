import { type Archive, ByteBudget } from '@callosum/archive';
import { ARCHIVE, SETTINGS, STUDY_INDEX, type StudyIndexClient } from '@callosum/runtime';
import { Module } from '@nestjs/common';

import { ArchiveInstances } from './adapters/archive-instances.js';
import { StudyIndexGrpc } from './adapters/study-index-grpc.js';
import type { StudyIndexReader } from './application/ports.js';
import { ReadInstances } from './application/read-instances.js';
import { ReadMetadata } from './application/read-metadata.js';
import { ReadPixels } from './application/read-pixels.js';
import { Retrieves } from './application/retrieves.js';
import { StoreInstances } from './application/store-instances.js';
import type { DicomwebSettings } from './settings.js';
import { ARCHIVE_INSTANCES, PRINCIPAL_OF, STUDY_INDEX_READER } from './tokens.js';
import { principalNameOf } from './transport/http/principal-name.js';
import { QidoController } from './transport/http/qido.controller.js';
import { type PrincipalOf, StowController } from './transport/http/stow.controller.js';
import { ViewerFiles } from './transport/http/viewer-files.js';
import { ViewerController } from './transport/http/viewer.controller.js';
import { WadoController } from './transport/http/wado.controller.js';

/** Less than what a silent connection is given: who waits for memory is answered. */
const memoryWaitMs = 60_000;

@Module({
  controllers: [StowController, QidoController, WadoController, ViewerController],
  providers: [
    ViewerFiles,
    { provide: PRINCIPAL_OF, useValue: principalNameOf satisfies PrincipalOf },
    { provide: ARCHIVE_INSTANCES, inject: [ARCHIVE], useFactory: (archive: Archive) => new ArchiveInstances(archive) },
    {
      provide: STUDY_INDEX_READER,
      inject: [STUDY_INDEX],
      useFactory: (client: StudyIndexClient) => new StudyIndexGrpc(client),
    },
    {
      provide: StoreInstances,
      inject: [ARCHIVE_INSTANCES, SETTINGS],
      useFactory: (archive: ArchiveInstances, settings: DicomwebSettings) =>
        new StoreInstances(archive, {
          requestsMax: settings.CALLOSUM_STOW_REQUESTS_MAX,
          partsMax: settings.CALLOSUM_STOW_PARTS_MAX,
          partBytesMax: settings.CALLOSUM_STOW_PART_BYTES_MAX,
          bytesMax: settings.CALLOSUM_STOW_REQUEST_BYTES_MAX,
        }),
    },
    {
      provide: Retrieves,
      inject: [SETTINGS],
      useFactory: (settings: DicomwebSettings) =>
        new Retrieves(new ByteBudget(settings.CALLOSUM_WADO_BYTES_MAX), {
          requestsMax: settings.CALLOSUM_WADO_REQUESTS_MAX,
          memoryWaitMs,
        }),
    },
    {
      provide: ReadInstances,
      inject: [ARCHIVE_INSTANCES],
      useFactory: (archive: ArchiveInstances) => new ReadInstances(archive),
    },
    {
      provide: ReadMetadata,
      inject: [ARCHIVE_INSTANCES, STUDY_INDEX_READER, SETTINGS],
      useFactory: (archive: ArchiveInstances, index: StudyIndexReader, settings: DicomwebSettings) =>
        new ReadMetadata(archive, index, settings.CALLOSUM_INDEX_WAIT_MS),
    },
    {
      provide: ReadPixels,
      inject: [ARCHIVE_INSTANCES, STUDY_INDEX_READER],
      useFactory: (archive: ArchiveInstances, index: StudyIndexReader) => new ReadPixels(archive, index),
    },
  ],
})
export class DicomwebModule {}
