import type { Logger } from '@callosum/telemetry';

import type { Drain } from './drain.js';

type Close = () => Promise<unknown> | void;

/** How to end what was started: each part adds its own once it runs, and they are ended in the reverse order. */
export class Closers {
  #closers: Close[] = [];

  constructor(
    private readonly drain: Drain,
    private readonly logger: Pick<Logger, 'warn'>,
  ) {}

  add(close: Close): void {
    this.#closers.push(close);
  }

  /** One that fails, or outlives the grace, keeps none of the others from being closed. */
  async closeAll(): Promise<void> {
    this.drain.begin();
    const closers = this.#closers.reverse();
    this.#closers = [];
    for (const close of closers) {
      try {
        await this.drain.within(Promise.resolve(close()));
      } catch (err) {
        this.logger.warn({ err }, 'close.failed');
      }
    }
  }
}
