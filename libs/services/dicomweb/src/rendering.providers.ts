import { ByteBudget } from '@callosum/archive';
import { SETTINGS } from '@callosum/runtime';
import type { Provider, Type } from '@nestjs/common';

import type { ArchiveInstances } from './adapters/archive-instances.js';
import type { FrameSource } from './application/ports/pixels.js';
import { RenderPictures } from './application/render-pictures.js';
import type { DicomwebSettings } from './settings.js';
import { ARCHIVE_INSTANCES, FRAME_SOURCE } from './tokens.js';
import { RenderedController } from './transport/http/rendered.controller.js';
import { ThumbnailController } from './transport/http/thumbnail.controller.js';
import { WadoUriController } from './transport/http/wado-uri.controller.js';

export const renderingControllers: Type[] = [RenderedController, ThumbnailController, WadoUriController];

/** Less than what a silent connection is given: who waits for memory is answered. */
const memoryWaitMs = 60_000;

/** Pictures (PS3.18 10.4.1.1.3, 10.4.1.1.4) and WADO-URI (9). */
export const renderingProviders: Provider[] = [
  {
    provide: RenderPictures,
    inject: [ARCHIVE_INSTANCES, FRAME_SOURCE, SETTINGS],
    useFactory: (archive: ArchiveInstances, frames: FrameSource, settings: DicomwebSettings) =>
      new RenderPictures(archive, frames, new ByteBudget(settings.CALLOSUM_RENDERED_BYTES_MAX), memoryWaitMs),
  },
];
