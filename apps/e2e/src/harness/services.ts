import { Cluster } from '@callosum/stack';
import { freePort } from '@callosum/testing';
import type pg from 'pg';

import { queryAs } from './database.js';
import { newFolder } from './paths.js';
import { send, type smallPhantom } from './studies.js';

type Child = ReturnType<Cluster['start']>;

/** Every service as a process of its own on real servers, and the reference worker: started, ended and asked by name. */
export class Services {
  readonly #running = new Map<string, Child>();

  private constructor(
    readonly cluster: Cluster,
    private readonly envOf: (name: string) => NodeJS.ProcessEnv,
  ) {}

  /** Starts all; what runs already is ended when one does not start. */
  static async start(name: string, envOf: (service: string) => NodeJS.ProcessEnv = () => ({})): Promise<Services> {
    process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
    process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
    const env = { CALLOSUM_QUIET_PERIOD_MS: '2000' };
    const services = new Services(await Cluster.create({ dataDir: newFolder(name), env }), envOf);
    try {
      await services.startAll();
    } catch (error) {
      await services.end();
      throw error;
    }
    return services;
  }

  startAll(): Promise<void> {
    return this.start(...this.cluster.services.map(({ name }) => name));
  }

  /** Resolves when they are ready; the worker `lung-ct` is started with the orchestrator. */
  async start(...names: readonly string[]): Promise<void> {
    for (const name of names) this.#running.set(name, this.cluster.start(name, { env: this.envOf(name) }));
    await Promise.all(names.map((name) => this.cluster.ready(this.#running.get(name) as Child)));
    if (names.includes('inference-orchestrator'))
      this.#running.set('lung-ct', this.cluster.startWorker('lung-ct', 'examples/lung-ct/dist/main.js'));
  }

  async stop(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => this.#running.get(name)?.stop()));
    for (const name of names) this.#running.delete(name);
  }

  /** As a machine that fails does it: nothing is finished or told. */
  async kill(name: string): Promise<void> {
    const child = this.#running.get(name);
    child?.signal('SIGKILL');
    await child?.exited;
    this.#running.delete(name);
  }

  /** Services and worker; the servers they stand on go on. */
  stopAll(): Promise<void> {
    return this.stop(...this.#running.keys());
  }

  async end(): Promise<void> {
    await this.stopAll();
    await this.cluster.stopServers();
  }

  get fhir(): string {
    return this.cluster.addresses.http('fhir-gateway');
  }

  send(study: ReturnType<typeof smallPhantom>): Promise<void> {
    return send({ dimsePort: this.cluster.addresses.dimsePort }, study);
  }

  /** Asks the database as its administrator. */
  query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { host, port, user, password, database } = this.cluster.postgres.admin;
    return queryAs<Row>({ host, port, user, password, database }, sql, values);
  }

  async count(from: string, values: readonly unknown[] = []): Promise<number> {
    const [row] = await this.query<{ count: string }>(`select count(*) as count from ${from}`, values);
    return Number(row?.count);
  }

  /** Of the services that run: one that was ended may have left its last fact for its next start. */
  async outboxesAreEmpty(): Promise<boolean> {
    const services = this.cluster.services.filter(({ name }) => this.#running.has(name));
    const schemas = ['archive', ...services.map(({ schema }) => schema)];
    const waiting = await Promise.all(schemas.map((schema) => this.count(`${schema}.outbox`)));
    return waiting.every((rows) => rows === 0);
  }

  async noJobWaits(): Promise<boolean> {
    return (await this.count("inference_orchestrator.job where state in ('queued', 'running')")) === 0;
  }
}
