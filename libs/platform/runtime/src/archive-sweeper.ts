import { setTimeout as sleep } from 'node:timers/promises';

import type { Archive } from '@callosum/archive';
import type { Logger } from '@callosum/telemetry';
import type pg from 'pg';

export interface ArchiveSweeperOptions {
  readonly archive: Pick<Archive, 'sweep' | 'erase' | 'unknownBlobs'>;
  /** Makes a connection as the archive's pool does; the sweeper's lock needs one of its own. */
  readonly newClient: () => pg.Client;
  readonly site: string;
  readonly logger: Logger;
  readonly firstAfterMs?: number;
  readonly everyMs?: number;
  /** How soon a replica that does not sweep asks for the lock again. */
  readonly takeOverMs?: number;
  readonly ageMs?: number;
}

/** A process that starts has better to do. */
const firstAfterMs = 60_000;
const everyMs = 3_600_000;
/** What no row knows is told by who sweeps alone: nobody knows it for so long after that one ended. One connection a try. */
const takeOverMs = 60_000;
/** Rule 1: no object is on its way for longer than a day. */
const ageMs = 24 * 3_600_000;

/**
 * Sweeps the archive's blobs without a row, and erases what is hidden for long enough. Every service that stores runs one; the one that holds an advisory lock
 * sweeps, and another takes over when its process or its connection ends.
 */
export class ArchiveSweeper {
  readonly #options: Required<ArchiveSweeperOptions>;
  readonly #stop = new AbortController();
  #holder: pg.Client | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ArchiveSweeperOptions) {
    this.#options = { firstAfterMs, everyMs, takeOverMs, ageMs, ...options };
  }

  start(): this {
    this.#running = this.#run();
    return this;
  }

  /** What the last sweep left; undefined at a replica that does not sweep, whose knowledge may be of yesterday. */
  get unknownBlobs(): number | undefined {
    return this.#holder ? this.#options.archive.unknownBlobs : undefined;
  }

  /** Ends a sweep that runs, and lets another replica have the lock. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#release();
  }

  async #run(): Promise<void> {
    const { everyMs: sweepMs, takeOverMs: askMs } = this.#options;
    for (let waitMs = this.#options.firstAfterMs; await this.#pause(waitMs); waitMs = this.#holder ? sweepMs : askMs) {
      try {
        await this.#turn();
      } catch (err) {
        if (!this.#stop.signal.aborted) this.#options.logger.error({ err }, 'archive.sweep-failed');
      }
    }
  }

  async #turn(): Promise<void> {
    const { archive, ageMs: age, logger } = this.#options;
    if (!(await this.#holds())) return;
    const swept = await archive.sweep(age, this.#stop.signal);
    if (swept > 0) logger.info({ swept }, 'archive.swept');
    // After a sweep that was not refused: with rows missing nobody knows what a legal hold protects.
    await archive.erase(this.#stop.signal);
  }

  /** True while this replica's connection holds the lock; tries to take it otherwise. */
  async #holds(): Promise<boolean> {
    // Asked, since a server that vanished takes the lock with it and does not say so. Its client is closed by then.
    if (this.#holder) await this.#holder.query('select 1').catch(() => undefined);
    if (this.#holder) return true;
    const client = this.#options.newClient();
    // The lock ends with its connection: the next turn asks again.
    const lost = (): void => {
      if (this.#holder === client) this.#holder = undefined;
    };
    client.on('error', lost);
    client.on('end', lost);
    try {
      await client.connect();
      const { rows } = await client.query<{ held: boolean }>(
        "select pg_try_advisory_lock(hashtext('callosum.archive.sweep'), hashtext($1)) as held",
        [this.#options.site],
      );
      if (rows[0]?.held) this.#holder = client;
    } finally {
      if (this.#holder !== client) await client.end().catch(() => undefined);
    }
    return this.#holder === client;
  }

  async #release(): Promise<void> {
    const holder = this.#holder;
    this.#holder = undefined;
    await holder?.end().catch(() => undefined);
  }

  #pause(ms: number): Promise<boolean> {
    return sleep(ms, undefined, { signal: this.#stop.signal, ref: false }).then(
      () => true,
      () => false,
    );
  }
}
