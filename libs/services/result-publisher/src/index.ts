import type { Database } from '@callosum/database';
import type { Waker } from '@callosum/event-log';
import { DATABASE, defineService } from '@callosum/runtime';
import { reading } from '@callosum/telemetry';
import type { INestApplicationContext } from '@nestjs/common';
import { z } from 'zod';

import { migrations } from './adapters/postgres/migrations.js';
import { ParkedPublications } from './adapters/postgres/parked-publications.js';
import { StudyStatus } from './adapters/postgres/study-status.js';
import type { Tables } from './adapters/postgres/tables.js';
import { ResultPublisherModule } from './result-publisher.module.js';
import { WAKER } from './tokens.js';

/** For the conformance statement. */
export { concepts as documentConcepts } from './domain/dicom/codes.js';

const parkedOf = (app: INestApplicationContext): ParkedPublications =>
  new ParkedPublications(app.get<Database<Tables>>(DATABASE), () => app.get<Waker>(WAKER).wake());

/** Writes ImagingStudy, results and failures to the archive and FHIR, under the link of the study. */
export const resultPublisher = defineService({
  name: 'result-publisher',
  settings: z.object({}),
  schema: 'result_publisher',
  migrations,
  usesArchive: true,
  module: ResultPublisherModule,
  parked: (app) => [parkedOf(app)],
  gauges: async (app) => {
    const parked = await parkedOf(app).counts();
    return [...parked].map(([kind, count]) =>
      reading('callosum.publish.parked', count, { 'callosum.publication': kind }),
    );
  },
  studyStatus: (app) => {
    const status = new StudyStatus(app.get<Database<Tables>>(DATABASE));
    return (uid) => status.of(uid);
  },
  httpPrefixes: [],
});
