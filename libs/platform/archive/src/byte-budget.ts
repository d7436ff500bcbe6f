import { type Waiting, WaitingLine } from './waiting-line.js';

/** Requests that do not wait for larger ones. */
export interface SmallOnes {
  /** Bytes of the largest. */
  readonly upTo: number;
  /** Bytes that are theirs, beside those of all. */
  readonly beside: number;
}

export interface BudgetOptions {
  /** How long one that is the first to wait for room may be overtaken by those behind it, in milliseconds; 0 for not at all. */
  readonly overtakenMs?: number;
  readonly small?: SmallOnes;
  readonly now?: () => number;
}

/**
 * Memory that several share: who wants more than is free waits for its turn, in the order they came.
 *
 * Small and large ones wait in a line each. Large ones leave what is beside to the small ones, and small ones, which may have
 * all that is free, get no more than that while a large one waits for room: neither waits for those of the other that came
 * later. One that is the first of its line may be overtaken for a while by those behind it that there is room for, and by
 * nobody then: it waits for what is held at that time, and everybody is the first at last.
 *
 * One who asks, where they are told apart, has half in each line at most, or a single one of any size.
 */
export class ByteBudget {
  readonly #small: SmallOnes;
  readonly #smallOnes: WaitingLine;
  readonly #largeOnes: WaitingLine;

  /** @param bytesMax what one may hold at most, and all large ones together */
  constructor(
    readonly bytesMax: number,
    { overtakenMs = 0, small = { upTo: 0, beside: 0 }, now = () => performance.now() }: BudgetOptions = {},
  ) {
    const isOvertaken = (first: Waiting): boolean => {
      first.firstSince ??= now();
      return now() - first.firstSince < overtakenMs;
    };
    this.#small = small;
    this.#smallOnes = new WaitingLine(small.beside / 2, isOvertaken);
    this.#largeOnes = new WaitingLine(bytesMax / 2, isOvertaken);
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
   * @param asker opaque; undefined where those who ask cannot be told apart: they may have all together
   */
  async take(byteCount: number, signal?: AbortSignal, asker?: string): Promise<(left?: number) => void> {
    let share = Math.min(byteCount, this.bytesMax);
    const line = share <= this.#small.upTo ? this.#smallOnes : this.#largeOnes;
    await this.#turn(line, share, signal, asker);
    return (left = 0) => {
      if (left >= share) return;
      line.giveBack(share - left, asker);
      share = left;
      this.#serve();
    };
  }

  #turn(
    line: WaitingLine,
    byteCount: number,
    signal: AbortSignal | undefined,
    asker: string | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const waiting: Waiting = {
        byteCount,
        asker,
        go: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      const giveUp = (): void => {
        line.leave(waiting);
        reject(signal?.reason as Error);
        // Those behind it may be smaller.
        this.#serve();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      line.join(waiting);
      this.#serve();
    });
  }

  #serve(): void {
    const { beside } = this.#small;
    const [large, small] = [this.#largeOnes, this.#smallOnes];
    const free = (): number => this.bytesMax + beside - large.held - small.held;
    const waits = large.serve(() => Math.min(this.bytesMax - large.held, free()));
    // What is beside is never taken by large ones: there is always so much.
    small.serve(waits ? () => beside - small.held : free);
  }
}
