import { Waker } from '@callosum/event-log';

/** What a process does beside answering, from its start until it ends. What fails is told, and the rest goes on. */
export class Background {
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #timers = new Set<NodeJS.Timeout>();

  /** @param waker ends the waits of loops: there may be work */
  constructor(
    private readonly onError: (err: unknown) => void,
    private readonly waker = new Waker(),
  ) {}

  /** Aborted when the process ends. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Never rejects. The end waits for it. */
  start(work: () => Promise<void>): Promise<void> {
    const running = work()
      .catch(this.onError)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  /**
   * Looks again and again: at once after it found something, else when it is woken, and within `pollMs`.
   * @param look tells whether it found something; one that fails found nothing
   */
  loop(pollMs: number, look: () => Promise<boolean>): void {
    const looked = (): Promise<boolean> =>
      look().catch((err: unknown) => {
        this.onError(err);
        return false;
      });
    void this.start(async () => {
      while (!this.signal.aborted) {
        const { turn } = this.waker;
        if (!(await looked())) await this.waker.wait(turn, pollMs);
      }
    });
  }

  /** From time to time; not while it is at it still. */
  every(everyMs: number, work: () => Promise<void>): void {
    let running: Promise<void> | undefined;
    const timer = setInterval(() => {
      running ??= this.start(work).finally(() => (running = undefined));
    }, everyMs);
    this.#timers.add(timer);
  }

  /** Begins nothing any more; resolves when all that was begun has ended. */
  async end(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stop.abort();
    this.waker.wake();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
