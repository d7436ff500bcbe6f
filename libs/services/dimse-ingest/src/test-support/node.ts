import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ScuOptions, storeFiles, type StoreOutcome } from '@callosum/dimse';
import { preparePlatform, type RunningService, startService } from '@callosum/runtime';
import type { TestPostgres } from '@callosum/testing';
import pg from 'pg';

import { DimseListener, dimseIngest } from '../index.js';

const passwordOf = (role: string): string => `password of ${role}`;

/** dimse-ingest as it is deployed, on a database, a folder and sockets of its own; specs look into its schema. */
export class TestNode {
  #service: RunningService | undefined;
  #http: Server | undefined;

  private constructor(
    private readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
    readonly admin: pg.Client,
  ) {}

  /** @param env settings beside where things are @param http whether it answers HTTP, for `call` */
  static async start(postgres: TestPostgres, env: NodeJS.ProcessEnv = {}, { http = false } = {}): Promise<TestNode> {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-node-'));
    const config = await postgres.createDatabase();
    await preparePlatform({ admin: config, definitions: [dimseIngest], passwordOf, eventLogInPostgres: true });
    const all = {
      CALLOSUM_LOG_LEVEL: 'fatal',
      CALLOSUM_DIMSE_PORT: '0',
      CALLOSUM_DATABASE_HOST: config.host,
      CALLOSUM_DATABASE_PORT: String(config.port),
      CALLOSUM_DATABASE_NAME: config.database,
      CALLOSUM_DATABASE_PASSWORD: passwordOf('dimse_ingest'),
      CALLOSUM_OBJECT_STORE_DIR: join(folder, 'objects'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
      ...env,
    };
    const admin = new pg.Client({ ...config, ssl: false });
    await admin.connect();
    const node = new TestNode(folder, all, admin);
    await node.boot();
    if (http) await node.#listen();
    return node;
  }

  async #listen(): Promise<void> {
    const http = (this.#http = createServer((request, response) => this.service.handle(request, response)));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  }

  /** @param env changed settings */
  async boot(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.#service = await startService(dimseIngest, { ...this.env, ...env });
  }

  get service(): RunningService {
    if (!this.#service) throw new Error('the node is down');
    return this.#service;
  }

  get port(): number {
    return this.service.app.get(DimseListener).port;
  }

  to(callingAet = 'CT1'): ScuOptions {
    return { host: '127.0.0.1', port: this.port, calledAet: 'CALLOSUM', callingAet };
  }

  send(files: readonly Uint8Array[], callingAet?: string): Promise<StoreOutcome[]> {
    return storeFiles({ ...this.to(callingAet), files });
  }

  /** @returns status and the JSON of the answer */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
    const { port } = this.#http?.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/api/dimse${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, body: json, headers: response.headers };
  }

  async rows(query: string, ...values: unknown[]): Promise<Record<string, unknown>[]> {
    return (await this.admin.query<Record<string, unknown>>(query, values)).rows;
  }

  /** Ends the process's part as a SIGTERM does, keeping what is stored. */
  async halt(): Promise<void> {
    await this.#service?.close();
    this.#service = undefined;
  }

  /** @param env changed settings */
  async restart(env: NodeJS.ProcessEnv = {}): Promise<void> {
    await this.#service?.close();
    await this.boot(env);
  }

  async stop(): Promise<void> {
    this.#http?.close();
    this.#http?.closeAllConnections();
    await this.halt();
    await this.admin.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}
