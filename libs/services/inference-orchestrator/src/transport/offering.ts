import { setTimeout as sleep } from 'node:timers/promises';

import { isTransient, type Waker } from '@callosum/event-log';
import type { Logger } from '@callosum/telemetry';

import type { Attempts, HeldJob } from '../application/ports.js';
import type { Manifest } from '../domain/manifest.js';

/** What a worker's stream is to those who look for work for it. */
export interface OfferedTo {
  readonly jobs: readonly HeldJob[];
  /** What it may be offered a job for now; undefined while it may not. */
  readonly wants: Manifest | undefined;
  /** Takes back these jobs, which no longer run under the token it holds; told every time, also when there are none. */
  takeBack(lost: readonly HeldJob[]): Promise<void>;
  /** @returns false when there was none for it */
  offerOne(): Promise<boolean>;
}

export interface OfferingDependencies {
  readonly attempts: Pick<Attempts, 'running' | 'due'>;
  readonly waker: Waker;
  readonly log: Logger;
}

/** Jobs that another replica scheduled, and retries whose pause is over, are seen within this time. */
const pollMs = 1_000;
const pauseAfterErrorMs = 1_000;

/**
 * Looks for work for all the streams of this process at once: with two small queries a second, however many there are.
 * A job is only asked for on behalf of a stream when there is one for its model. Looks only while there are streams.
 */
export class Offering {
  /** Who waited longest since its last offer comes first. */
  readonly #streams = new Set<OfferedTo>();
  #looking = false;
  #look: Promise<boolean> = Promise.resolve(true);

  constructor(private readonly with_: OfferingDependencies) {}

  join(stream: OfferedTo): void {
    this.#streams.add(stream);
    if (!this.#looking) void this.#keepLooking();
  }

  /** Resolves when nothing is asked on the stream's behalf any more. */
  async leave(stream: OfferedTo): Promise<void> {
    this.#streams.delete(stream);
    this.with_.waker.wake();
    await this.#look;
  }

  async #keepLooking(): Promise<void> {
    this.#looking = true;
    const { waker } = this.with_;
    while (this.#streams.size > 0) {
      const { turn } = waker;
      this.#look = this.#lookOnce();
      if (await this.#look) await waker.wait(turn, pollMs);
      else await sleep(pauseAfterErrorMs);
    }
    this.#looking = false;
  }

  /** @returns false when it went wrong */
  async #lookOnce(): Promise<boolean> {
    try {
      await this.#takeBack();
      await this.#offer();
      return true;
    } catch (err) {
      this.with_.log.warn({ err }, 'worker.offer-failed');
      return false;
    }
  }

  async #takeBack(): Promise<void> {
    const held = [...this.#streams].map((stream) => ({ stream, jobs: stream.jobs }));
    const all = held.flatMap(({ jobs }) => jobs);
    const running = new Set(all.length > 0 ? (await this.with_.attempts.running(all)).map(keyOf) : []);
    for (const { stream, jobs } of held)
      await this.#alone(() => stream.takeBack(jobs.filter((job) => !running.has(keyOf(job)))));
  }

  /** In turns, one job each: no stream fills all its slots while another of its model waits. */
  async #offer(): Promise<void> {
    const wanted = new Map(
      [...this.#streams].flatMap(({ wants }) => (wants ? [[modelOf(wants), wants] as const] : [])),
    );
    if (wanted.size === 0) return;
    const due = new Set((await this.with_.attempts.due([...wanted.values()])).map(modelOf));
    let turn = [...this.#streams];
    while (turn.length > 0) {
      const served: OfferedTo[] = [];
      for (const stream of turn) {
        const { wants } = stream;
        if (!wants || !due.has(modelOf(wants))) continue;
        if (await this.#alone(() => stream.offerOne())) served.push(stream);
      }
      for (const stream of served) if (this.#streams.delete(stream)) this.#streams.add(stream);
      turn = served;
    }
  }

  /** What goes wrong with one stream's jobs is no matter of the others; a database that is away is. */
  async #alone<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (err) {
      if (isTransient(err)) throw err;
      this.with_.log.warn({ err }, 'worker.offer-failed');
      return undefined;
    }
  }
}

const keyOf = ({ jobId, fencingToken }: HeldJob): string => `${jobId} ${fencingToken}`;
const modelOf = ({ model: { modelId, version } }: Manifest): string => JSON.stringify([modelId, version]);
