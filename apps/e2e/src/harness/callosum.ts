import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from '@callosum/testing';
import { newFolder, root } from './paths.js';
import { type Group, startGroup } from './processes.js';

export interface CallosumOptions {
  /** Kept over restarts; a new one when not given. */
  readonly dataDir?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly worker?: boolean;
  /** Another is taken when not given. */
  readonly httpPort?: number;
}

/** All services in one process (apps/all-in-one) and the reference worker, watched from outside. */
export class Callosum {
  #main: Group | undefined;
  #worker: Group | undefined;

  private constructor(
    readonly dataDir: string,
    readonly httpUrl: string,
    readonly dimsePort: number,
    readonly grpcPort: number,
    private readonly options: CallosumOptions,
  ) {}

  static async start(name: string, options: CallosumOptions = {}): Promise<Callosum> {
    const dataDir = options.dataDir ?? newFolder(name);
    const [http, dimse, grpc] = [options.httpPort ?? (await freePort()), await freePort(), await freePort()];
    const system = new Callosum(dataDir, `http://127.0.0.1:${http}`, dimse, grpc, options);
    await system.boot();
    return system;
  }

  /** Starts (again) on the same ports and data, and waits until ready. */
  async boot(): Promise<void> {
    const env = {
      ...process.env,
      CALLOSUM_DATA_DIR: this.dataDir,
      CALLOSUM_HTTP_PORT: new URL(this.httpUrl).port,
      CALLOSUM_DIMSE_PORT: String(this.dimsePort),
      CALLOSUM_GRPC_PORT: String(this.grpcPort),
      CALLOSUM_QUIET_PERIOD_MS: '2000',
      CALLOSUM_WORKER_TARGET: `127.0.0.1:${this.grpcPort}`,
      ...this.options.env,
    };
    this.#main = this.#launch('apps/all-in-one/dist/main.js', env, 'callosum.log');
    await this.#ready(this.#main);
    if (this.options.worker !== false) await this.startWorker(env);
  }

  startWorker(
    env: NodeJS.ProcessEnv = { ...process.env, CALLOSUM_WORKER_TARGET: `127.0.0.1:${this.grpcPort}` },
  ): Promise<void> {
    this.#worker = this.#launch('examples/lung-ct/dist/main.js', env, 'lung-ct.log');
    return Promise.resolve();
  }

  get alive(): boolean {
    return this.#main !== undefined;
  }

  /** Of the process with all services. @throws when it does not run */
  get pid(): number {
    if (!this.#main) throw new Error('it does not run');
    return this.#main.pid;
  }

  /** kill -9 of everything: services, database server, worker. */
  async killAll(): Promise<void> {
    const groups = [this.#main, this.#worker].filter((group) => group !== undefined);
    for (const group of groups) group.kill();
    await Promise.all(groups.map(({ exited }) => exited));
    this.#main = undefined;
    this.#worker = undefined;
  }

  async stop(): Promise<number | null> {
    this.#worker?.terminate();
    this.#main?.terminate();
    await this.#worker?.exited;
    const code = (await this.#main?.exited) ?? null;
    this.#main = undefined;
    this.#worker = undefined;
    return code;
  }

  /** What the services logged, for assertions on errors and on what must not be there. */
  logs(): string {
    return readFileSync(join(this.dataDir, 'callosum.log'), 'utf8');
  }

  #launch(script: string, env: NodeJS.ProcessEnv, log: string): Group {
    const descriptor = openSync(join(this.dataDir, log), 'a');
    const group = startGroup(process.execPath, ['--enable-source-maps', join(root, script)], env, root, descriptor);
    closeSync(descriptor);
    return group;
  }

  async #ready(group: Group): Promise<void> {
    let ended = false;
    void group.exited.then(() => (ended = true));
    for (const deadline = Date.now() + 120_000; ; await sleep(100)) {
      const good = await fetch(`${this.httpUrl}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
      if (good) return;
      if (ended || Date.now() > deadline) throw new Error(`not ready:\n${this.logs().slice(-3000)}`);
    }
  }
}
