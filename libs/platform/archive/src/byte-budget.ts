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
    const share = Math.min(byteCount, this.bytesMax);
    await this.#take(share);
    try {
      return await work();
    } finally {
      this.#free += share;
      this.#serve();
    }
  }

  #take(byteCount: number): Promise<void> {
    return new Promise((go) => {
      this.#queue.push({ byteCount, go });
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
