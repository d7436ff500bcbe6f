import { defineService } from '@callosum/runtime';

import { dimseIngestMigrations } from './adapters/migrations.js';
import { DimseIngestModule } from './dimse-ingest.module.js';
import { assertDimseBind, dimseIngestSettings } from './settings.js';

export * from './conformance/index.js';
export { DimseListener } from './transport/dimse/dimse-listener.js';

/** The DICOM network node: associations into the archive and out of it, and its administration at /api/dimse. */
export const dimseIngest = defineService({
  name: 'dimse-ingest',
  settings: dimseIngestSettings,
  schema: 'dimse_ingest',
  migrations: dimseIngestMigrations,
  usesArchive: true,
  module: DimseIngestModule,
  httpPrefixes: ['/api/dimse'],
  assertBinds: assertDimseBind,
  listensOn: ({ CALLOSUM_DIMSE_HOST: host, CALLOSUM_DIMSE_PORT: port }) => [
    { setting: 'CALLOSUM_DIMSE_PORT', host, port },
  ],
});
