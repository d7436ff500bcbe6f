import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { preparePlatform, type ServiceDefinition } from '@callosum/runtime';
import { startKafka, startPostgres, startS3, type TestKafka, type TestPostgres, type TestS3 } from '@callosum/testing';

import { type Listener, Ports } from './ports.js';
import { type Child, type ChildOptions, startChild } from './process.js';
import { waitReady } from './readiness.js';

export interface ClusterOptions {
  /** Logs of each process go here. */
  readonly dataDir: string;
  /** Over the environment of this process, for every service. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folder of the S3 server's objects, instead of one of its own. */
  readonly s3Dir?: string;
  /** Base URL under which people reach the site; dicomweb's own port unless said otherwise. */
  readonly publicUrl?: string;
  /** Processes of each service; 1 unless said otherwise. */
  readonly replicas?: number;
}

export interface StartOptions extends ChildOptions {
  /** Which of the replicas, from 0. */
  readonly replica?: number;
  /** Over the service's settings. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Where the parts of a cluster answer. All on 127.0.0.1. */
export interface ClusterAddresses {
  readonly dimsePort: number;
  /** host:port of the worker port. */
  readonly workers: string;
  /** Base URL of a service's HTTP port, in front of its replicas. */
  http(service: string): string;
}

interface Servers {
  readonly kafka: TestKafka;
  readonly postgres: TestPostgres;
  readonly s3: TestS3;
}

/**
 * Each service as its own process, as in production, on a real Kafka, PostgreSQL and S3 server started for it. All of
 * it ends with this process. Nothing restarts by itself: that is an orchestrator's business, and a test's.
 */
export class Cluster {
  readonly kafka: TestKafka;
  readonly postgres: TestPostgres;
  readonly s3: TestS3;
  readonly services: readonly ServiceDefinition[] = services;
  readonly addresses: ClusterAddresses;

  private constructor(
    servers: Servers,
    private readonly ports: Ports,
    readonly replicas: number,
    private readonly dataDir: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly passwordOf: (role: string) => string,
    private readonly publicUrl: string | undefined,
  ) {
    ({ kafka: this.kafka, postgres: this.postgres, s3: this.s3 } = servers);
    this.addresses = {
      dimsePort: ports.front('dimse-ingest', 'dimse'),
      workers: `127.0.0.1:${ports.front('inference-orchestrator', 'workers')}`,
      http: (service) => `http://127.0.0.1:${ports.front(service, 'http')}`,
    };
  }

  /** Starts the servers and prepares the database; services are the caller's to start. */
  static async create({ dataDir, env = {}, s3Dir, publicUrl, replicas = 1 }: ClusterOptions): Promise<Cluster> {
    mkdirSync(dataDir, { recursive: true });
    const servers = await startServers(s3Dir);
    const passwords = new Map<string, string>();
    const passwordOf = (role: string): string => {
      const password = passwords.get(role) ?? randomBytes(18).toString('base64url');
      passwords.set(role, password);
      return password;
    };
    const { admin } = servers.postgres;
    await preparePlatform({ admin, definitions: services, passwordOf, eventLogInPostgres: false });
    const from = { ...process.env, ...env };
    const ports = await Ports.open(listenersOf(from), replicas);
    const settings = { ...from, ...serverSettings(servers) };
    return new Cluster(servers, ports, replicas, dataDir, settings, passwordOf, publicUrl);
  }

  /** Starts a process of a service; the caller waits with `ready`. @throws {RangeError} no such service or replica */
  start(service: string, { replica = 0, env = {}, ...options }: StartOptions = {}): Child {
    const definition = this.services.find(({ name }) => name === service);
    if (!definition || replica >= this.replicas) throw new RangeError(`no process is called ${service} ${replica}`);
    const own = { ...this.#envOf(definition, replica), ...env };
    const log = join(this.dataDir, `${service}${replica === 0 ? '' : `-${replica}`}.log`);
    return startChild(service, `apps/${service}/dist/main.js`, own, log, options);
  }

  /** Starts a worker process of the workspace that dials the worker port. */
  startWorker(name: string, script: string): Child {
    const env = { ...process.env, CALLOSUM_WORKER_TARGET: this.addresses.workers };
    return startChild(name, script, env, join(this.dataDir, `${name}.log`));
  }

  /** Base URL of one replica's own HTTP port, where its probes are. */
  probes(service: string, replica = 0): string {
    return `http://127.0.0.1:${this.ports.replica(service, 'http', replica)}`;
  }

  /** Waits until a replica's probe says that it takes work. @throws with its last log lines when it ended first */
  ready(child: Child, replica = 0): Promise<void> {
    return waitReady(`${this.probes(child.name, replica)}/readyz`, child);
  }

  async stopServers(): Promise<void> {
    await this.ports.close();
    for (const server of [this.s3, this.postgres, this.kafka]) await server.stop();
  }

  #envOf({ name, schema }: ServiceDefinition, replica: number): NodeJS.ProcessEnv {
    const front = (service: string, listener: Listener): string => `127.0.0.1:${this.ports.front(service, listener)}`;
    const own = (listener: Listener): number => this.ports.replica(name, listener, replica) ?? 0;
    return {
      ...this.env,
      CALLOSUM_HTTP_PORT: String(own('http')),
      CALLOSUM_DIMSE_PORT: String(own('dimse')),
      CALLOSUM_GRPC_PORT: String(own('workers')),
      CALLOSUM_INTERNAL_GRPC: `127.0.0.1:${own('grpc')}`,
      CALLOSUM_FHIR_URL: `${this.addresses.http('fhir-gateway')}/fhir`,
      CALLOSUM_PUBLIC_URL: this.publicUrl ?? this.addresses.http('dicomweb'),
      CALLOSUM_STUDY_INDEX_GRPC: front('study-index', 'grpc'),
      CALLOSUM_IDENTITY_GRPC: front('identity-mapping', 'grpc'),
      CALLOSUM_INFERENCE_GRPC: front('inference-orchestrator', 'grpc'),
      CALLOSUM_DATABASE_USER: schema,
      CALLOSUM_DATABASE_PASSWORD: this.passwordOf(schema),
    };
  }
}

async function startServers(s3Dir: string | undefined): Promise<Servers> {
  const started = await Promise.allSettled([startKafka(), startPostgres(), startS3(s3Dir ? { dir: s3Dir } : {})]);
  const [kafka, postgres, s3] = started;
  if (kafka.status === 'fulfilled' && postgres.status === 'fulfilled' && s3.status === 'fulfilled') {
    return { kafka: kafka.value, postgres: postgres.value, s3: s3.value };
  }
  for (const server of started) if (server.status === 'fulfilled') await server.value.stop();
  throw started.find((server) => server.status === 'rejected')?.reason;
}

function listenersOf(env: NodeJS.ProcessEnv): { service: string; listener: Listener; fixed?: number }[] {
  return [
    ...services.map(({ name }) => ({ service: name, listener: 'http' as const })),
    { service: 'study-index', listener: 'grpc' },
    { service: 'identity-mapping', listener: 'grpc' },
    { service: 'inference-orchestrator', listener: 'grpc' },
    { service: 'dimse-ingest', listener: 'dimse', fixed: Number(env['CALLOSUM_DIMSE_PORT'] || 11112) },
    { service: 'inference-orchestrator', listener: 'workers', fixed: Number(env['CALLOSUM_GRPC_PORT'] || 50051) },
  ];
}

function serverSettings({ kafka, postgres: { admin }, s3 }: Servers): NodeJS.ProcessEnv {
  return {
    CALLOSUM_EVENT_LOG: 'kafka',
    CALLOSUM_KAFKA_BROKERS: kafka.brokers.join(','),
    CALLOSUM_KAFKA_REPLICATION: String(Math.min(kafka.brokers.length, 3)),
    CALLOSUM_KAFKA_SMALL_SITE: String(kafka.brokers.length < 3),
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
