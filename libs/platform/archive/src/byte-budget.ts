interface Waiting {
  readonly byteCount: number;
  readonly go: () => void;
}

/** Memory that several share: who wants more than is free waits for its turn, in the order they came. */
export class ByteBudget {
  readonly #queue: Waiting[] = [];
  #free: number;

  constructor(readonly bytesMax: number) {
    this.#free = bytesMax;
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

  /** Strictly in turn: a large object is not starved by small ones. */
  #serve(): void {
    for (let next = this.#queue[0]; next && next.byteCount <= this.#free; next = this.#queue[0]) {
      this.#queue.shift();
      this.#free -= next.byteCount;
      next.go();
    }
  }
}
