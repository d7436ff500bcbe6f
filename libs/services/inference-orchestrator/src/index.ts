import { worker } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import { DATABASE, defineService } from '@callosum/runtime';
import { reading } from '@callosum/telemetry';

import { migrations } from './adapters/postgres/migrations.js';
import type { JobQueries } from './application/ports.js';
import { StudyStatus } from './adapters/postgres/study-status.js';
import type { Tables } from './adapters/postgres/tables.js';
import { InferenceOrchestratorModule } from './inference-orchestrator.module.js';
import { assertWorkerBind, orchestratorSettings } from './settings.js';
import { JOB_QUERIES } from './tokens.js';
import { CredentialsGrpc } from './transport/credentials.grpc.js';
import { WorkerServer } from './transport/worker-server.js';

/** Keeps the models, decides which series each reads, and hands jobs to vendors' workers over gRPC. */
export const inferenceOrchestrator = defineService({
  name: 'inference-orchestrator',
  settings: orchestratorSettings,
  schema: 'inference_orchestrator',
  migrations,
  usesArchive: false,
  // Workers read pixels and write results through its door.
  objectStore: 'needed',
  module: InferenceOrchestratorModule,
  gauges: async (app) => {
    const depths = await app.get<JobQueries>(JOB_QUERIES).queuedByModel();
    return depths.map(({ modelId, count }) =>
      reading('callosum.inference.jobs.queued', count, { 'callosum.model': modelId }),
    );
  },
  studyStatus: (app) => {
    const status = new StudyStatus(app.get<Database<Tables>>(DATABASE));
    return (uid) => status.of(uid);
  },
  httpPrefixes: ['/api/inference'],
  grpc: (app) => [{ definition: worker.WorkerCredentialServiceDefinition, implementation: app.get(CredentialsGrpc) }],
  assertBinds: assertWorkerBind,
  listensOn: ({ CALLOSUM_GRPC_HOST: host, CALLOSUM_GRPC_PORT: port }) => [
    { setting: 'CALLOSUM_GRPC_PORT', host, port },
  ],
  ready: (app) =>
    app.get(WorkerServer).port === undefined
      ? Promise.reject(new Error('the worker port does not listen'))
      : Promise.resolve(),
});
