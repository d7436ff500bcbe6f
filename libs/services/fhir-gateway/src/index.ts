import { defineService } from '@callosum/runtime';
import { z } from 'zod';

import { fhirGatewayMigrations } from './adapters/postgres/migrations.js';
import { FhirGatewayModule } from './fhir-gateway.module.js';
import { configureFhirHttp, refuseFhirUrl } from './transport/http/fhir.controller.js';

/** FHIR R4 resources and their history over REST, at /fhir. */
export const fhirGateway = defineService({
  name: 'fhir-gateway',
  settings: z.object({}),
  schema: 'fhir_gateway',
  migrations: fhirGatewayMigrations,
  usesArchive: false,
  module: FhirGatewayModule,
  httpPrefixes: ['/fhir'],
  configureHttp: configureFhirHttp,
  refuseUrl: refuseFhirUrl,
});
