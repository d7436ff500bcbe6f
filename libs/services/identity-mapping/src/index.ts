import { identity } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import { DATABASE, defineService } from '@callosum/runtime';
import { reading } from '@callosum/telemetry';

import type { PostgresDecisionQueries } from './adapters/decision-queries.js';
import { identityMigrations } from './adapters/migrations.js';
import { StudyStatus } from './adapters/study-status.js';
import type { IdentityTables } from './adapters/tables.js';
import { IdentityMappingModule } from './identity-mapping.module.js';
import { identitySettings } from './settings.js';
import { DECISION_QUERIES } from './tokens.js';
import { IdentityGrpc } from './transport/identity.grpc.js';

/** Decides whose a study is, keeps the evidence, and leases the right to publish under a decision. */
export const identityMapping = defineService({
  name: 'identity-mapping',
  settings: identitySettings,
  schema: 'identity_mapping',
  migrations: identityMigrations,
  usesArchive: false,
  module: IdentityMappingModule,
  grpc: (app) => [{ definition: identity.IdentityServiceDefinition, implementation: app.get(IdentityGrpc) }],
  gauges: async (app) => {
    const { count, oldestAgeSeconds } = await app.get<PostgresDecisionQueries>(DECISION_QUERIES).waiting();
    return [
      reading('callosum.quarantine.studies', count, {}),
      reading('callosum.quarantine.oldest_age', oldestAgeSeconds, {}),
    ];
  },
  studyStatus: (app) => {
    const status = new StudyStatus(app.get<Database<IdentityTables>>(DATABASE).db);
    return (uid) => status.of(uid);
  },
  httpPrefixes: ['/api/identity'],
});
