interface Waiting {
  readonly byteCount: number;
  /** When it came. */
  readonly since: number;
  readonly go: () => void;
}

export interface Overtaking {
  /** How long one that waits may be overtaken by smaller ones, in milliseconds; 0 for not at all. */
  readonly overtakenMs: number;
  readonly now?: () => number;
}

/**
 * Memory that several share: who wants more than is free waits for its turn, in the order they came. One that wants much
 * may be overtaken for a while by those behind it that there is room for; nobody who has waited for longer is.
 */
export class ByteBudget {
  readonly #queue: Waiting[] = [];
  readonly #overtakenMs: number;
  readonly #now: () => number;
  #free: number;

  constructor(
    readonly bytesMax: number,
    { overtakenMs, now = () => performance.now() }: Overtaking = { overtakenMs: 0 },
  ) {
    this.#free = bytesMax;
    this.#overtakenMs = overtakenMs;
    this.#now = now;
  }

  /** Runs `work` while it may hold `byteCount` bytes. One that wants more than there is at all waits for all of it. */
  async hold<T>(byteCount: number, work: () => Promise<T>): Promise<T> {
    const giveBack = await this.take(byteCount);
    try {
      return await work();
    } finally {
      giveBack();
    }
  }

  /**
   * The same for what does not end with one call: the bytes are held until the function it resolves with is called. With a
   * number that gives back all but so many, and can be called again.
   * @param signal ends the waiting, with its reason
   */
  async take(byteCount: number, signal?: AbortSignal): Promise<(left?: number) => void> {
    let share = Math.min(byteCount, this.bytesMax);
    await this.#turn(share, signal);
    return (left = 0) => {
      if (left >= share) return;
      this.#free += share - left;
      share = left;
      this.#serve();
    };
  }

  #turn(byteCount: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const waiting: Waiting = {
        byteCount,
        since: this.#now(),
        go: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      const giveUp = (): void => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal?.reason as Error);
        // Those behind it may be smaller.
        this.#serve();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#queue.push(waiting);
      this.#serve();
    });
  }

  /** In turn. The first has waited longest: while it may be overtaken so may all that wait before another. */
  #serve(): void {
    for (let at = 0; at < this.#queue.length;) {
      const waiting = this.#queue[at];
      if (waiting && waiting.byteCount <= this.#free) {
        this.#queue.splice(at, 1);
        this.#free -= waiting.byteCount;
        waiting.go();
      } else if (this.#isOvertaken()) at++;
      else return;
    }
  }

  #isOvertaken(): boolean {
    const [first] = this.#queue;
    return first !== undefined && this.#now() - first.since < this.#overtakenMs;
  }
}
