import { setTimeout as sleep } from 'node:timers/promises';

import type { Waker } from '@callosum/event-log';
import { LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { ForwardQueue } from '../application/forwarding-ports.js';
import { SendForwards } from '../application/send-forwards.js';
import type { DimseIngestSettings } from '../settings.js';
import { FORWARD_QUEUE, FORWARD_WAKER } from '../tokens.js';
import { Background } from './background.js';

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
  private readonly background: Background;
  private readonly workers = new Map<string, number>();

  constructor(
    @Inject(FORWARD_QUEUE) private readonly queue: ForwardQueue,
    @Inject(SendForwards) private readonly sendForwards: SendForwards,
    @Inject(FORWARD_WAKER) waker: Waker,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.background = new Background((err) => log.error({ err }, 'forward.loop-failed'), waker);
  }

  onApplicationBootstrap(): void {
    this.background.loop(pollMs, () => this.dispatch());
    this.background.every(pruneEveryMs, async () => {
      await this.queue.prune(this.settings.CALLOSUM_FORWARD_RETENTION_DAYS);
    });
  }

  /** Workers release their associations. */
  beforeApplicationShutdown(): Promise<void> {
    return this.background.end();
  }

  private async dispatch(): Promise<boolean> {
    for (const destination of await this.queue.due()) this.employ(destination);
    // A series that comes wakes it with each image.
    await sleep(dispatchEveryMs, undefined, { signal: this.background.signal }).catch(() => undefined);
    return false;
  }

  /** One worker more, where there are not enough: further ones come while there is more than these can do. */
  private employ(destination: string): void {
    const workers = this.workers.get(destination) ?? 0;
    if (workers >= this.settings.CALLOSUM_FORWARD_ASSOCIATIONS || this.background.signal.aborted) return;
    this.workers.set(destination, workers + 1);
    void this.background
      .start(() => this.work(destination))
      .finally(() => {
        const left = (this.workers.get(destination) ?? 1) - 1;
        if (left > 0) this.workers.set(destination, left);
        else this.workers.delete(destination);
      });
  }

  private async work(destination: string): Promise<void> {
    const { signal } = this.background;
    try {
      while (!signal.aborted && (await this.sendForwards.execute(destination, signal)));
    } catch (err) {
      // What it had is given back, or comes back when the lease ends.
      this.log.error({ aet: destination, err }, 'forward.loop-failed');
    }
  }
}
