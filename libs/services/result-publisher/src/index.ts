import { defineService } from '@callosum/runtime';
import { z } from 'zod';

import { migrations } from './adapters/postgres/migrations.js';
import { ResultPublisherModule } from './result-publisher.module.js';

/** Writes ImagingStudy, results and failures to the archive and FHIR, under the link of the study. */
export const resultPublisher = defineService({
  name: 'result-publisher',
  settings: z.object({}),
  schema: 'result_publisher',
  migrations,
  usesArchive: true,
  module: ResultPublisherModule,
  httpPrefixes: [],
});
