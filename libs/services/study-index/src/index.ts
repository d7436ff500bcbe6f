import { imaging } from '@callosum/contracts';
import { defineService } from '@callosum/runtime';

import { studyIndexMigrations } from './adapters/migrations.js';
import { studyIndexSettings } from './settings.js';
import { StudyIndexModule } from './study-index.module.js';
import { StudyIndexGrpc } from './transport/study-index.grpc.js';

/** Keeps studies, series and instances with DICOM's own identifiers, and says when a study is complete. */
export const studyIndex = defineService({
  name: 'study-index',
  settings: studyIndexSettings,
  schema: 'study_index',
  migrations: studyIndexMigrations,
  usesArchive: true,
  module: StudyIndexModule,
  grpc: (app) => [{ definition: imaging.StudyIndexServiceDefinition, implementation: app.get(StudyIndexGrpc) }],
  httpPrefixes: [],
});
