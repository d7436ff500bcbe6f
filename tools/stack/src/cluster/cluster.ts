import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { preparePlatform, type ServiceDefinition } from '@callosum/runtime';
import type { TestKafka, TestKafkaCluster, TestPostgres, TestS3 } from '@callosum/testing';

import { Access, type Client } from './access.js';
import { Endpoints } from './endpoints.js';
import { type Listener, Ports } from './ports.js';
import { type Child, type ChildOptions, root as workspaceRoot, startChild } from './process.js';
import { waitReady } from './readiness.js';
import { type Servers, serverSettings, startServers } from './servers.js';

export interface ClusterOptions {
  /** Logs of each process go here. */
  readonly dataDir: string;
  /** Over the environment of this process, for every service. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folder of the S3 server's objects, instead of one of its own. */
  readonly s3Dir?: string;
  /** Processes of each service; 1 unless said otherwise. */
  readonly replicas?: number;
  /** Three replicate, as in production; 1 unless said otherwise. */
  readonly brokers?: 1 | 3;
  /** Whether everybody proves who they are, as on a site that others can reach; open on loopback unless said otherwise. */
  readonly auth?: boolean;
  /** Whether roles and schemas are made here, by this version; otherwise `migrate` is the caller's to run. */
  readonly prepared?: boolean;
  /** With replicas: connections go to those alone whose probe, asked this often, says that they are ready. */
  readonly probeEveryMs?: number;
}

export interface StartOptions extends ChildOptions {
  /** Which of the replicas, from 0. */
  readonly replica?: number;
  /** Over the service's settings. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface WorkerOptions extends ChildOptions {
  /** Over the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** The schema of the platform that every service which keeps objects shares. */
const archiveRole = 'archive';

/** Where the parts of a cluster answer. All on 127.0.0.1. */
export interface ClusterAddresses {
  readonly dimsePort: number;
  /** host:port of the worker port. */
  readonly workers: string;
  /** Base URL of a service's HTTP port, in front of its replicas. */
  http(service: string): string;
}

/**
 * Each service as its own process, as in production, on a real Kafka, PostgreSQL and S3 server started for it. All of
 * it ends with this process. Nothing restarts by itself: that is an orchestrator's business, and a test's.
 */
export class Cluster {
  readonly kafka: TestKafka;
  /** The same, where it is three brokers. */
  readonly kafkaCluster: TestKafkaCluster | undefined;
  readonly postgres: TestPostgres;
  readonly s3: TestS3;
  readonly services: readonly ServiceDefinition[] = services;
  readonly addresses: ClusterAddresses;
  /** Which replicas get connections. */
  readonly endpoints: Endpoints;

  private constructor(
    servers: Servers,
    private readonly ports: Ports,
    endpoints: Endpoints,
    readonly replicas: number,
    private readonly dataDir: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly passwordOf: (role: string) => string,
    private readonly access: Access | undefined,
  ) {
    ({ kafka: this.kafka, kafkaCluster: this.kafkaCluster, postgres: this.postgres, s3: this.s3 } = servers);
    this.endpoints = endpoints;
    this.addresses = {
      dimsePort: ports.front('dimse-ingest', 'dimse'),
      workers: `127.0.0.1:${ports.front('inference-orchestrator', 'workers')}`,
      http: (service) => `http://127.0.0.1:${ports.front(service, 'http')}`,
    };
  }

  /** Starts the servers and prepares the database, unless that is left to the caller; services are the caller's to start. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    const { dataDir, env = {}, replicas = 1, probeEveryMs } = options;
    mkdirSync(dataDir, { recursive: true });
    const { auth = false } = options;
    const servers = await startServers({ ...options, secure: auth });
    const access = auth ? await Access.start(dataDir, servers.scram) : undefined;
    const passwords = new Map<string, string>();
    const passwordOf = (role: string): string => {
      const password = passwords.get(role) ?? randomBytes(18).toString('base64url');
      passwords.set(role, password);
      return password;
    };
    const { admin } = servers.postgres;
    if (options.prepared ?? true)
      await preparePlatform({ admin, definitions: services, passwordOf, eventLogInPostgres: false });
    const from = { ...process.env, ...env };
    const endpoints = new Endpoints();
    const ports = await Ports.open(listenersOf(from), replicas, (service, replica) => endpoints.has(service, replica));
    const settings = { ...from, ...serverSettings(servers), ...access?.env };
    const cluster = new Cluster(servers, ports, endpoints, replicas, dataDir, settings, passwordOf, access);
    if (probeEveryMs !== undefined) endpoints.watch(cluster.#everyProbe(), probeEveryMs);
    return cluster;
  }

  /** Starts a process of a service; the caller waits with `ready`. @throws {RangeError} no such service or replica */
  start(service: string, { replica = 0, env = {}, ...options }: StartOptions = {}): Child {
    const definition = this.services.find(({ name }) => name === service);
    if (!definition || replica >= this.replicas) throw new RangeError(`no process is called ${service} ${replica}`);
    const own = { ...this.#envOf(definition, replica), ...env };
    const log = join(this.dataDir, `${service}${replica === 0 ? '' : `-${replica}`}.log`);
    this.endpoints.expect(service, replica);
    return startChild(service, `apps/${service}/dist/main.js`, own, log, options);
  }

  /** What a client shows with a request to a service; nothing where nobody is asked. */
  async headers(client: Client): Promise<Record<string, string>> {
    return this.access ? this.access.headers(client) : {};
  }

  /** What a worker of this vendor needs of the environment to be let in; inference-orchestrator must be ready. */
  async workerEnv(vendor: string): Promise<NodeJS.ProcessEnv> {
    if (!this.access) return {};
    const address = `127.0.0.1:${this.ports.front('inference-orchestrator', 'grpc')}`;
    return { CALLOSUM_WORKER_TOKEN: await this.access.workerCredential(vendor, address) };
  }

  /** Starts a worker process that dials the worker port. */
  startWorker(name: string, script: string, { env: own = {}, ...options }: WorkerOptions = {}): Child {
    const env = { ...process.env, CALLOSUM_WORKER_TARGET: this.addresses.workers, ...own };
    return startChild(name, script, env, join(this.dataDir, `${name}.log`), options);
  }

  /**
   * Brings the database to the version built at `root`, as the chart's hook does before that version's pods start.
   * @throws with its last log lines when it fails
   */
  async migrate(root: string = workspaceRoot): Promise<void> {
    const log = join(this.dataDir, 'migrate.log');
    const child = startChild('migrate', 'apps/all-in-one/dist/migrate.js', this.maintenanceEnv(), log, { root });
    if ((await child.exited) !== 0) throw new Error(`migrate failed:\n${child.logTail()}`);
  }

  /** Settings of the commands that a site runs beside its services: every role's password in a folder, and the administrator's. */
  maintenanceEnv(): NodeJS.ProcessEnv {
    const { user, password } = this.postgres.admin;
    const passwords = join(this.dataDir, 'roles');
    mkdirSync(passwords, { recursive: true, mode: 0o700 });
    for (const role of [archiveRole, ...this.services.map(({ schema }) => schema)])
      writeFileSync(join(passwords, role), this.passwordOf(role), { mode: 0o600 });
    return {
      ...this.env,
      CALLOSUM_DATABASE_ADMIN_USER: user,
      CALLOSUM_DATABASE_ADMIN_PASSWORD: password,
      CALLOSUM_DATABASE_PASSWORDS_DIR: passwords,
    };
  }

  /** Base URL of one replica's own HTTP port, where its probes are. */
  probes(service: string, replica = 0): string {
    return `http://127.0.0.1:${this.ports.replica(service, 'http', replica)}`;
  }

  /** Where one replica tells its metrics. */
  metricsUrl(service: string, replica = 0): string {
    const port = this.ports.replica(service, this.access ? 'metrics' : 'http', replica);
    return `http://127.0.0.1:${port}/metrics`;
  }

  /** Waits until a replica's probe says that it takes work. @throws with its last log lines when it ended first */
  ready(child: Child, replica = 0): Promise<void> {
    return waitReady(`${this.probes(child.name, replica)}/readyz`, child);
  }

  async stopServers(): Promise<void> {
    this.endpoints.close();
    await this.ports.close();
    for (const server of [this.access, this.s3, this.postgres, this.kafka]) await server?.stop();
  }

  #everyProbe(): { service: string; replica: number; url: string }[] {
    return this.services.flatMap(({ name }) =>
      Array.from({ length: this.replicas }, (_, replica) => ({
        service: name,
        replica,
        url: `${this.probes(name, replica)}/readyz`,
      })),
    );
  }

  #envOf({ name, schema }: ServiceDefinition, replica: number): NodeJS.ProcessEnv {
    const front = (service: string, listener: Listener): string => `127.0.0.1:${this.ports.front(service, listener)}`;
    const own = (listener: Listener): number => this.ports.replica(name, listener, replica) ?? 0;
    return {
      ...this.env,
      CALLOSUM_HTTP_PORT: String(own('http')),
      // Where HTTP asks for tokens metrics have a port of their own.
      ...(this.access ? { CALLOSUM_METRICS_PORT: String(own('metrics')) } : {}),
      CALLOSUM_DIMSE_PORT: String(own('dimse')),
      CALLOSUM_GRPC_PORT: String(own('workers')),
      CALLOSUM_INTERNAL_GRPC: `127.0.0.1:${own('grpc')}`,
      CALLOSUM_FHIR_URL: `${this.addresses.http('fhir-gateway')}/fhir`,
      CALLOSUM_PUBLIC_URL: this.env['CALLOSUM_PUBLIC_URL'] || this.addresses.http('dicomweb'),
      CALLOSUM_STUDY_INDEX_GRPC: front('study-index', 'grpc'),
      CALLOSUM_IDENTITY_GRPC: front('identity-mapping', 'grpc'),
      CALLOSUM_INFERENCE_GRPC: front('inference-orchestrator', 'grpc'),
      CALLOSUM_DATABASE_USER: schema,
      CALLOSUM_DATABASE_PASSWORD: this.passwordOf(schema),
    };
  }
}

function listenersOf(env: NodeJS.ProcessEnv): { service: string; listener: Listener; fixed?: number }[] {
  return [
    ...services.flatMap(({ name }) => [
      { service: name, listener: 'http' as const },
      { service: name, listener: 'metrics' as const },
    ]),
    { service: 'study-index', listener: 'grpc' },
    { service: 'identity-mapping', listener: 'grpc' },
    { service: 'inference-orchestrator', listener: 'grpc' },
    { service: 'dimse-ingest', listener: 'dimse', fixed: Number(env['CALLOSUM_DIMSE_PORT'] || 11112) },
    { service: 'inference-orchestrator', listener: 'workers', fixed: Number(env['CALLOSUM_GRPC_PORT'] || 50051) },
  ];
}
