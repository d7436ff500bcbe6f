import type { Archive } from '@callosum/archive';
import { imaging } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import { ARCHIVE, DATABASE, defineService } from '@callosum/runtime';
import { reading } from '@callosum/telemetry';

import { studyIndexMigrations } from './adapters/migrations.js';
import { StudyStatus } from './adapters/study-status.js';
import type { StudyIndexTables } from './adapters/tables.js';
import type { CompletionStore } from './application/complete-studies.js';
import { studyIndexSettings } from './settings.js';
import { StudyIndexModule } from './study-index.module.js';
import { COMPLETION } from './tokens.js';
import { StudyIndexGrpc } from './transport/study-index.grpc.js';

/** Keeps studies, series and instances with DICOM's own identifiers, and says when a study is complete. */
export const studyIndex = defineService({
  name: 'study-index',
  settings: studyIndexSettings,
  schema: 'study_index',
  migrations: studyIndexMigrations,
  usesArchive: true,
  // Searches are answered from the database alone; indexing waits for the blobs.
  objectStore: 'used',
  module: StudyIndexModule,
  grpc: (app) => [{ definition: imaging.StudyIndexServiceDefinition, implementation: app.get(StudyIndexGrpc) }],
  gauges: async (app) => {
    const { count, oldestAgeSeconds, held } = await app.get<CompletionStore>(COMPLETION).waiting();
    return [
      reading('callosum.completion.waiting', count, {}),
      reading('callosum.completion.oldest_age', oldestAgeSeconds, {}),
      reading('callosum.completion.held', held, {}),
    ];
  },
  studyStatus: (app) => {
    const status = new StudyStatus(app.get<Database<StudyIndexTables>>(DATABASE).db, app.get<Archive>(ARCHIVE));
    return (uid) => status.of(uid);
  },
  httpPrefixes: ['/api/imaging'],
});
