import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { preparePlatform, type ServiceDefinition } from '@callosum/runtime';
import { startKafka, startPostgres, startS3, type TestKafka, type TestPostgres, type TestS3 } from '@callosum/testing';

import { freePort } from './free-port.js';
import { type Child, type ChildOptions, startChild } from './process.js';
import { waitReady } from './readiness.js';

export interface ClusterOptions {
  /** Logs of each process go here. */
  readonly dataDir: string;
  /** Over the environment of this process, for every service. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folder of the S3 server's objects, instead of one of its own. */
  readonly s3Dir?: string;
}

/** Where the parts of a cluster answer. All on 127.0.0.1. */
export interface ClusterAddresses {
  readonly dimsePort: number;
  /** host:port of the worker port. */
  readonly workers: string;
  /** Base URL of a service's HTTP port. */
  http(service: string): string;
}

/**
 * Each service as its own process, as in production, on a real Kafka, PostgreSQL and S3 server started for it. All of
 * it ends with this process. Nothing restarts by itself: that is an orchestrator's business, and a test's.
 */
export class Cluster {
  private constructor(
    readonly kafka: TestKafka,
    readonly postgres: TestPostgres,
    readonly s3: TestS3,
    readonly addresses: ClusterAddresses,
    readonly services: readonly ServiceDefinition[],
    private readonly dataDir: string,
    private readonly envOf: (definition: ServiceDefinition) => NodeJS.ProcessEnv,
  ) {}

  /** Starts the servers and prepares the database; services are the caller's to start. */
  static async create({ dataDir, env = {}, s3Dir }: ClusterOptions): Promise<Cluster> {
    mkdirSync(dataDir, { recursive: true });
    const started = await Promise.allSettled([startKafka(), startPostgres(), startS3(s3Dir ? { dir: s3Dir } : {})]);
    const [kafka, postgres, s3] = started;
    if (kafka.status === 'rejected' || postgres.status === 'rejected' || s3.status === 'rejected') {
      for (const server of started) if (server.status === 'fulfilled') await server.value.stop();
      throw started.find((server) => server.status === 'rejected')?.reason;
    }
    const passwords = new Map<string, string>();
    const passwordOf = (role: string): string => {
      const password = passwords.get(role) ?? randomBytes(18).toString('base64url');
      passwords.set(role, password);
      return password;
    };
    await preparePlatform({
      admin: postgres.value.admin,
      definitions: services,
      passwordOf,
      eventLogInPostgres: false,
    });
    const from = { ...process.env, ...env };
    const addresses = await chooseAddresses(from);
    const common = { ...from, ...serverSettings(kafka.value, postgres.value, s3.value) };
    const grpc = new Map([
      ['study-index', `127.0.0.1:${await freePort()}`],
      ['identity-mapping', `127.0.0.1:${await freePort()}`],
    ]);
    const envOf = (definition: ServiceDefinition): NodeJS.ProcessEnv => ({
      ...common,
      CALLOSUM_HTTP_PORT: new URL(addresses.http(definition.name)).port,
      CALLOSUM_DIMSE_PORT: String(addresses.dimsePort),
      CALLOSUM_GRPC_PORT: addresses.workers.replace(/.*:/, ''),
      CALLOSUM_FHIR_URL: `${addresses.http('fhir-gateway')}/fhir`,
      CALLOSUM_PUBLIC_URL: addresses.http('dicomweb'),
      CALLOSUM_STUDY_INDEX_GRPC: grpc.get('study-index'),
      CALLOSUM_IDENTITY_GRPC: grpc.get('identity-mapping'),
      CALLOSUM_INTERNAL_GRPC: grpc.get(definition.name) ?? '127.0.0.1:0',
      CALLOSUM_DATABASE_USER: definition.schema,
      CALLOSUM_DATABASE_PASSWORD: passwordOf(definition.schema),
    });
    return new Cluster(kafka.value, postgres.value, s3.value, addresses, services, dataDir, envOf);
  }

  /** Starts the process of a service; the caller waits with `ready`. */
  start(service: string, env: NodeJS.ProcessEnv = {}, options: ChildOptions = {}): Child {
    const definition = this.services.find(({ name }) => name === service);
    if (!definition) throw new RangeError(`no service is called ${service}`);
    const script = `apps/${service}/dist/main.js`;
    const log = join(this.dataDir, `${service}.log`);
    return startChild(service, script, { ...this.envOf(definition), ...env }, log, options);
  }

  /** Starts a worker process of the workspace that dials the worker port. */
  startWorker(name: string, script: string): Child {
    const env = { ...process.env, CALLOSUM_WORKER_TARGET: this.addresses.workers };
    return startChild(name, script, env, join(this.dataDir, `${name}.log`));
  }

  /** Waits until a service's probe says that it takes work. @throws with its last log lines when it ended first */
  ready(child: Child): Promise<void> {
    return waitReady(`${this.addresses.http(child.name)}/readyz`, child);
  }

  async stopServers(): Promise<void> {
    for (const server of [this.s3, this.postgres, this.kafka]) await server.stop();
  }
}

async function chooseAddresses(env: NodeJS.ProcessEnv): Promise<ClusterAddresses> {
  const ports = new Map<string, number>();
  for (const { name } of services) ports.set(name, await freePort());
  return {
    dimsePort: Number(env['CALLOSUM_DIMSE_PORT'] || 11112),
    workers: `127.0.0.1:${env['CALLOSUM_GRPC_PORT'] || '50051'}`,
    http: (service) => `http://127.0.0.1:${ports.get(service)}`,
  };
}

function serverSettings(kafka: TestKafka, { admin }: TestPostgres, s3: TestS3): NodeJS.ProcessEnv {
  return {
    CALLOSUM_EVENT_LOG: 'kafka',
    CALLOSUM_KAFKA_BROKERS: kafka.brokers.join(','),
    CALLOSUM_OBJECT_STORE: 's3',
    CALLOSUM_S3_ENDPOINT: s3.endpoint,
    CALLOSUM_S3_REGION: s3.region,
    CALLOSUM_S3_BUCKET: s3.bucket,
    CALLOSUM_S3_ACCESS_KEY_ID: s3.accessKeyId,
    CALLOSUM_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    CALLOSUM_DATABASE_HOST: admin.host,
    CALLOSUM_DATABASE_PORT: String(admin.port),
    CALLOSUM_DATABASE_NAME: admin.database,
  };
}
