import { LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider, Type } from '@nestjs/common';

import type { ArchiveInstances } from './adapters/archive-instances.js';
import { StoreInstances, type StoreLimits } from './application/store-instances.js';
import type { DicomwebSettings } from './settings.js';
import { ARCHIVE_INSTANCES, BODY_BOUNDS, PRINCIPAL_OF } from './tokens.js';
import { principalNameOf } from './transport/http/principal-name.js';
import { type BodyBounds, bodyBounds } from './transport/http/request-body.js';
import { type PrincipalOf, StowController } from './transport/http/stow.controller.js';

export const storeControllers: Type[] = [StowController];

/** STOW-RS (PS3.18 10.5). */
export const storeProviders: Provider[] = [
  { provide: PRINCIPAL_OF, useValue: principalNameOf satisfies PrincipalOf },
  { provide: BODY_BOUNDS, useValue: bodyBounds satisfies BodyBounds },
  {
    provide: StoreInstances,
    inject: [ARCHIVE_INSTANCES, SETTINGS, LOGGER],
    useFactory: (archive: ArchiveInstances, settings: DicomwebSettings, logger: Logger) =>
      new StoreInstances(archive, storeLimitsOf(settings), (err) => logger.error({ err }, 'dicomweb.store-failed')),
  },
];

/** Datasets nest as deep as the parser goes; each level is an object, an attribute, an array of items. */
const jsonDepthMax = 4 * 64;
/**
 * Commas and openings of objects and arrays in one dataset: two an element that is empty, four one with a value, some 100 a
 * frame of functional groups. So many are 100,000 items at most, some 30 MB of objects, of which there are one dataset's of
 * the process at a time.
 */
const jsonValuesMax = 200_000;

function storeLimitsOf(settings: DicomwebSettings): StoreLimits {
  return {
    requestsMax: settings.CALLOSUM_STOW_REQUESTS_MAX,
    partsMax: settings.CALLOSUM_STOW_PARTS_MAX,
    partBytesMax: settings.CALLOSUM_STOW_PART_BYTES_MAX,
    bytesMax: settings.CALLOSUM_STOW_REQUEST_BYTES_MAX,
    commitsMax: settings.CALLOSUM_STOW_COMMITS_MAX,
    metadata: {
      json: {
        bytesMax: settings.CALLOSUM_STOW_METADATA_BYTES_MAX,
        depthMax: jsonDepthMax,
        valuesMax: jsonValuesMax,
      },
      instancesMax: settings.CALLOSUM_STOW_PARTS_MAX,
      heldBytesMax: settings.CALLOSUM_STOW_HELD_BYTES_MAX,
    },
    heldBytesMax: settings.CALLOSUM_STOW_MEMORY_BYTES_MAX,
  };
}
