import { defineService } from '@callosum/runtime';

import { dimseIngestMigrations } from './adapters/migrations.js';
import type { ForwardQueue } from './application/forwarding-ports.js';
import { commitmentGauges } from './commitment.providers.js';
import { DimseIngestModule } from './dimse-ingest.module.js';
import { assertDimseBind, dimseIngestSettings, dimsePorts } from './settings.js';
import { FORWARD_QUEUE } from './tokens.js';
import { forwardingGauges } from './transport/forwarding-gauges.js';

export * from './conformance/index.js';
export { DimseListener } from './transport/dimse/dimse-listener.js';

/** The DICOM network node: associations into the archive and out of it, and its administration at /api/dimse. */
export const dimseIngest = defineService({
  name: 'dimse-ingest',
  settings: dimseIngestSettings,
  schema: 'dimse_ingest',
  migrations: dimseIngestMigrations,
  usesArchive: true,
  receivesObjects: true,
  module: DimseIngestModule,
  httpPrefixes: ['/api/dimse'],
  gauges: async (app) => [
    ...(await commitmentGauges(app)),
    ...(await forwardingGauges(app.get<ForwardQueue>(FORWARD_QUEUE))),
  ],
  assertBinds: assertDimseBind,
  listensOn: dimsePorts,
});
