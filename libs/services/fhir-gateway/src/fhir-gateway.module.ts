import type { Database } from '@callosum/database';
import type { Clock } from '@callosum/kernel';
import { CLOCK, DATABASE, PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Module } from '@nestjs/common';

import { r4Definitions } from './adapters/definitions/r4-definitions.js';
import { PostgresResourceStore } from './adapters/postgres/postgres-resource-store.js';
import type { FhirGatewayTables } from './adapters/postgres/tables.js';
import { BASES, DEFINITIONS, type Definitions, RESOURCE_STORE, type ResourceStore } from './application/ports.js';
import { ProcessBundle } from './application/process-bundle.js';
import { ReadResources } from './application/read-resources.js';
import { WriteResources } from './application/write-resources.js';
import { FhirHttp } from './transport/http/fhir-http.js';
import { FhirController } from './transport/http/fhir.controller.js';

@Module({
  controllers: [FhirController],
  providers: [
    {
      provide: BASES,
      inject: [PLATFORM_SETTINGS],
      // The public base first: it stands in links when the caller names no host of its own.
      useFactory: (settings: PlatformSettings): readonly string[] => [
        ...new Set([
          `${settings.CALLOSUM_PUBLIC_URL.replace(/\/+$/, '')}/fhir`,
          settings.CALLOSUM_FHIR_URL.replace(/\/+$/, ''),
        ]),
      ],
    },
    { provide: DEFINITIONS, inject: [BASES], useFactory: r4Definitions },
    {
      provide: RESOURCE_STORE,
      inject: [DATABASE],
      useFactory: (database: Database<FhirGatewayTables>) => new PostgresResourceStore(database),
    },
    ReadResources,
    {
      provide: WriteResources,
      inject: [RESOURCE_STORE, DEFINITIONS, BASES, CLOCK],
      useFactory: (store: ResourceStore, definitions: Definitions, bases: readonly string[], clock: Clock) =>
        new WriteResources(store, definitions, bases, clock),
    },
    ProcessBundle,
    FhirHttp,
  ],
})
export class FhirGatewayModule {}
