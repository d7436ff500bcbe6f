import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';

import { KafkaEventLog } from '@callosum/event-log';
import { preparePlatform, type ServiceDefinition } from '@callosum/runtime';
import { startKafka, startPostgres, startS3 } from '@callosum/testing';

import { type Child, startChild } from './children.js';
import { waitReady, watchChildren } from './readiness.js';
import { services } from '@callosum/all-in-one/services';
import type { System } from './system.js';

/**
 * Each service as its own process, as in production, on a real Kafka, PostgreSQL and S3 server started for it; the
 * reference worker beside them. All of it ends with this process.
 */
export async function startStack(workers: boolean): Promise<System> {
  const dataDir = resolve(process.env['CALLOSUM_DATA_DIR'] || '.callosum', 'stack');
  mkdirSync(dataDir, { recursive: true });
  const closers: (() => Promise<void>)[] = [];
  const children: Child[] = [];
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    for (const child of [...children].reverse()) await child.stop();
    for (const close of closers.reverse()) await close();
  };
  try {
    const [kafka, postgres, s3] = await Promise.all([startKafka(), startPostgres(), startS3()]);
    for (const server of [kafka, postgres, s3]) closers.push(() => server.stop());
    const passwords = new Map<string, string>();
    const passwordOf = (role: string): string => {
      const password = passwords.get(role) ?? randomBytes(18).toString('base64url');
      passwords.set(role, password);
      return password;
    };
    await preparePlatform({ admin: postgres.admin, definitions: services, passwordOf, eventLogInPostgres: false });
    const ports = new Map<string, number>();
    for (const { name } of services) ports.set(name, await freePort());
    const url = (name: string): string => `http://127.0.0.1:${ports.get(name)}`;
    const studyIndexGrpc = `127.0.0.1:${await freePort()}`;
    const identityGrpc = `127.0.0.1:${await freePort()}`;
    const inferenceGrpc = `127.0.0.1:${await freePort()}`;
    const common: NodeJS.ProcessEnv = {
      ...process.env,
      CALLOSUM_EVENT_LOG: 'kafka',
      CALLOSUM_KAFKA_BROKERS: kafka.brokers.join(','),
      CALLOSUM_OBJECT_STORE: 's3',
      CALLOSUM_S3_ENDPOINT: s3.endpoint,
      CALLOSUM_S3_REGION: s3.region,
      CALLOSUM_S3_BUCKET: s3.bucket,
      CALLOSUM_S3_ACCESS_KEY_ID: s3.accessKeyId,
      CALLOSUM_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      CALLOSUM_DATABASE_HOST: postgres.admin.host,
      CALLOSUM_DATABASE_PORT: String(postgres.admin.port),
      CALLOSUM_DATABASE_NAME: postgres.admin.database,
      CALLOSUM_FHIR_URL: `${url('fhir-gateway')}/fhir`,
      CALLOSUM_PUBLIC_URL: url('dicomweb'),
      CALLOSUM_STUDY_INDEX_GRPC: studyIndexGrpc,
      CALLOSUM_IDENTITY_GRPC: identityGrpc,
      CALLOSUM_INFERENCE_GRPC: inferenceGrpc,
    };
    const start = (definition: ServiceDefinition): Child =>
      startChild(
        definition.name,
        `apps/${definition.name}/dist/main.js`,
        {
          ...common,
          CALLOSUM_HTTP_PORT: String(ports.get(definition.name)),
          CALLOSUM_DATABASE_USER: definition.schema,
          CALLOSUM_DATABASE_PASSWORD: passwordOf(definition.schema),
          CALLOSUM_INTERNAL_GRPC: internalGrpc(definition.name, common),
        },
        join(dataDir, `${definition.name}.log`),
      );
    for (const definition of services) children.push(start(definition));
    await Promise.all(children.map((child) => waitReady(`${url(child.name)}/readyz`, child)));
    if (workers) {
      const target = { ...common, CALLOSUM_WORKER_TARGET: `127.0.0.1:${process.env['CALLOSUM_GRPC_PORT'] || '50051'}` };
      children.push(
        startChild('lung-ct worker', 'examples/lung-ct/dist/main.js', target, join(dataDir, 'lung-ct.log')),
      );
    }
    const log = new KafkaEventLog({ brokers: kafka.brokers, clientId: 'start-command', onError: () => undefined });
    return {
      title: `Callosum, ${services.length} services in their own processes on Kafka, PostgreSQL and S3; logs in ${dataDir}`,
      dicomwebUrl: url('dicomweb'),
      fhirUrl: `${url('fhir-gateway')}/fhir`,
      dimse: {
        host: '127.0.0.1',
        port: Number(process.env['CALLOSUM_DIMSE_PORT'] || 11112),
        aeTitle: process.env['CALLOSUM_DIMSE_AE'] || 'CALLOSUM',
      },
      log,
      failed: watchChildren(children, () => stopping),
      stop: async () => {
        stopping = true;
        await log.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where a service answers the others, as they are told; any port for those nobody asks. */
function internalGrpc(service: string, common: NodeJS.ProcessEnv): string | undefined {
  if (service === 'study-index') return common['CALLOSUM_STUDY_INDEX_GRPC'];
  if (service === 'identity-mapping') return common['CALLOSUM_IDENTITY_GRPC'];
  if (service === 'inference-orchestrator') return common['CALLOSUM_INFERENCE_GRPC'];
  return '127.0.0.1:0';
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolvePort(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
