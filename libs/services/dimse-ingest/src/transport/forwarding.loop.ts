import { setTimeout as sleep } from 'node:timers/promises';

import type { Waker } from '@callosum/event-log';
import { LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { Destinations } from '../application/destination-ports.js';
import type { ForwardQueue } from '../application/forwarding-ports.js';
import { SendForwards } from '../application/send-forwards.js';
import type { DimseIngestSettings } from '../settings.js';
import { DESTINATIONS, FORWARD_QUEUE, FORWARD_WAKER } from '../tokens.js';

/** What another replica queued, and destinations whose pause is over, are seen within this time. */
const pollMs = 1_000;
const dispatchEveryMs = 50;
const pruneEveryMs = 3_600_000;

/**
 * Gives every destination workers of its own: one that is slow or away keeps no other waiting. What waits stands in rows:
 * a process that dies forgets nothing.
 */
@Injectable()
export class ForwardingLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stop = new AbortController();
  private readonly workers = new Map<string, Set<Promise<void>>>();
  private running: Promise<void> = Promise.resolve();
  private pruning: Promise<void> = Promise.resolve();
  private pruneTimer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(FORWARD_QUEUE) private readonly queue: ForwardQueue,
    @Inject(SendForwards) private readonly sendForwards: SendForwards,
    @Inject(DESTINATIONS) private readonly destinations: Destinations,
    @Inject(FORWARD_WAKER) private readonly waker: Waker,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.running = this.dispatch();
    this.pruneTimer = setInterval(() => {
      this.pruning = this.prune();
    }, pruneEveryMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.pruneTimer);
    this.stop.abort();
    this.waker.wake();
    await this.running;
    await Promise.all([...this.workers.values()].flatMap((workers) => [...workers]));
    await Promise.all([this.pruning, this.destinations.close()]);
  }

  private async dispatch(): Promise<void> {
    while (!this.stop.signal.aborted) {
      const { turn } = this.waker;
      try {
        for (const destination of await this.queue.due()) this.employ(destination);
      } catch (err) {
        this.log.error({ err }, 'forward.loop-failed');
      }
      await this.waker.wait(turn, pollMs);
      // A series that comes wakes it with each image.
      await sleep(dispatchEveryMs, undefined, { signal: this.stop.signal }).catch(() => undefined);
    }
  }

  /** One worker more, where there are not enough: further ones come while there is more than these can do. */
  private employ(destination: string): void {
    const workers = this.workers.get(destination) ?? new Set();
    if (workers.size >= this.settings.CALLOSUM_FORWARD_ASSOCIATIONS || this.stop.signal.aborted) return;
    this.workers.set(destination, workers);
    const worker = this.work(destination).finally(() => {
      workers.delete(worker);
      if (workers.size === 0) this.workers.delete(destination);
    });
    workers.add(worker);
  }

  private async work(destination: string): Promise<void> {
    try {
      while (!this.stop.signal.aborted && (await this.sendForwards.execute(destination, this.stop.signal)));
    } catch (err) {
      // What it had is given back, or comes back when the lease ends.
      this.log.error({ aet: destination, err }, 'forward.loop-failed');
    }
  }

  private async prune(): Promise<void> {
    try {
      await this.queue.prune(this.settings.CALLOSUM_FORWARD_RETENTION_DAYS);
    } catch (err) {
      this.log.error({ err }, 'forward.loop-failed');
    }
  }
}
