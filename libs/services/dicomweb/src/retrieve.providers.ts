import { ByteBudget } from '@callosum/archive';
import { SETTINGS, STUDY_INDEX, type StudyIndexClient } from '@callosum/runtime';
import type { Provider, Type } from '@nestjs/common';

import type { ArchiveInstances } from './adapters/archive-instances.js';
import { SeriesFramesGrpc } from './adapters/series-frames-grpc.js';
import { FrameLayouts } from './application/frame-layouts.js';
import { LayoutCache } from './application/layout-cache.js';
import type { StudyIndexReader } from './application/ports/index.js';
import { ReadBulk } from './application/read-bulk.js';
import { ReadFrames } from './application/read-frames.js';
import { ReadInstances } from './application/read-instances.js';
import { ReadMetadata } from './application/read-metadata.js';
import { Retrieves } from './application/retrieves.js';
import type { DicomwebSettings } from './settings.js';
import { ARCHIVE_INSTANCES, FRAME_SOURCE, STUDY_INDEX_READER } from './tokens.js';
import { Answers } from './transport/http/answer.js';
import { BulkDataController } from './transport/http/bulkdata.controller.js';
import { FramesController } from './transport/http/frames.controller.js';
import { InstancesController } from './transport/http/instances.controller.js';
import { MetadataController } from './transport/http/metadata.controller.js';

export const retrieveControllers: Type[] = [
  InstancesController,
  MetadataController,
  FramesController,
  BulkDataController,
];

/** Less than what a silent connection is given: who waits for memory is answered. */
const memoryWaitMs = 60_000;
/** Who is the first to wait for much is passed for so long by those that there is room for: most of the wait is left then. */
const overtakenMs = 15_000;
/** Takes no more: any header that is parsed at once, a frame of a CT or of ultrasound, a dataset that is written as it is taken. */
const smallBytes = 16 * 1024 * 1024;

/** Where the frames of some 50,000 objects lie: those that people look at. */
const layoutBytesMax = 64 * 1024 * 1024;

/** WADO-RS (PS3.18 10.4). */
export const retrieveProviders: Provider[] = [
  Answers,
  {
    provide: Retrieves,
    inject: [SETTINGS],
    useFactory: ({ CALLOSUM_WADO_BYTES_MAX: bytesMax, CALLOSUM_WADO_REQUESTS_MAX: requestsMax }: DicomwebSettings) => {
      const beside = Math.floor(bytesMax / 2);
      // Never more than is beside: it would wait for large ones without end.
      const small = { upTo: Math.min(smallBytes, beside), beside };
      return new Retrieves(new ByteBudget(bytesMax, { overtakenMs, small }), { requestsMax, memoryWaitMs });
    },
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
    provide: FrameLayouts,
    inject: [ARCHIVE_INSTANCES, STUDY_INDEX_READER, STUDY_INDEX],
    useFactory: (archive: ArchiveInstances, index: StudyIndexReader, client: StudyIndexClient) =>
      new FrameLayouts(archive, index, new SeriesFramesGrpc(client), new LayoutCache(layoutBytesMax)),
  },
  {
    provide: ReadFrames,
    inject: [ARCHIVE_INSTANCES, FrameLayouts],
    useFactory: (archive: ArchiveInstances, layouts: FrameLayouts) => new ReadFrames(archive, layouts),
  },
  { provide: FRAME_SOURCE, useExisting: ReadFrames },
  {
    provide: ReadBulk,
    inject: [ARCHIVE_INSTANCES, FrameLayouts, ReadFrames],
    useFactory: (archive: ArchiveInstances, layouts: FrameLayouts, frames: ReadFrames) =>
      new ReadBulk(archive, layouts, frames),
  },
];
