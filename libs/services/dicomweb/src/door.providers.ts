import type { Archive } from '@callosum/archive';
import { ARCHIVE, PLATFORM_SETTINGS, type PlatformSettings, prefixOf } from '@callosum/runtime';
import type { Provider, Type } from '@nestjs/common';

import { ArchiveInstances } from './adapters/archive-instances.js';
import { viewerBase } from './domain/viewer-base.js';
import { ARCHIVE_INSTANCES } from './tokens.js';
import { CapabilitiesController } from './transport/http/capabilities.controller.js';
import { ViewerFiles } from './transport/http/viewer-files.js';
import { ViewerController } from './transport/http/viewer.controller.js';

export const doorControllers: Type[] = [ViewerController, CapabilitiesController];

/** The viewer, capabilities, and what all resources share. */
export const doorProviders: Provider[] = [
  {
    provide: ViewerFiles,
    inject: [PLATFORM_SETTINGS],
    useFactory: (platform: PlatformSettings) => new ViewerFiles(viewerBase(prefixOf(platform.CALLOSUM_PUBLIC_URL))),
  },
  { provide: ARCHIVE_INSTANCES, inject: [ARCHIVE], useFactory: (archive: Archive) => new ArchiveInstances(archive) },
];
