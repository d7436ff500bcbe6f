import { identity } from '@callosum/contracts';
import { defineService } from '@callosum/runtime';

import { identityMigrations } from './adapters/migrations.js';
import { IdentityMappingModule } from './identity-mapping.module.js';
import { identitySettings } from './settings.js';
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
  httpPrefixes: ['/api/identity'],
});
