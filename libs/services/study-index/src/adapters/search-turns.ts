import { TooManySearchesError } from '../domain/errors.js';

/** Who asks for a page of a search. */
export interface PageAsker {
  /** Opaque; all who say nothing are one. */
  readonly asker: string;
  /** Its search may look at all there is. */
  readonly isBroad: boolean;
  /** Nothing was looked for yet: who has begun goes before who has not. */
  readonly isFirst: boolean;
}

export interface SearchTurnsLimits {
  /** Pages that are looked for at the same time. */
  readonly most: number;
  /** Of these of broad searches. */
  readonly broadMost: number;
  /** Broad searches that wait for their first page. */
  readonly broadWaitingMax: number;
  /** Milliseconds that a page waits. */
  readonly waitMsMax: number;
}

interface Waiting extends PageAsker {
  readonly go: () => void;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Turns of pages of searches. The next is for who has the fewest now, so that one who asks for much waits for himself
 * alone; whose search has begun goes before others of as few, then who came first. Nobody waits without end: who has waited
 * for too long is told to come again, and where too many broad searches wait, the last of who has most of them is.
 */
export class SearchTurns {
  readonly #waiting: Waiting[] = [];
  readonly #running = new Map<string, number>();
  #taken = 0;
  #broadTaken = 0;

  constructor(private readonly limits: SearchTurnsLimits) {}

  /**
   * Runs `work` in a turn.
   * @param signal ends the waiting, with its reason
   * @throws {TooManySearchesError}
   */
  async run<T>(page: PageAsker, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    await this.#turn(page, signal);
    try {
      return await work();
    } finally {
      this.#taken--;
      if (page.isBroad) this.#broadTaken--;
      const others = this.#runningOf(page.asker) - 1;
      if (others > 0) this.#running.set(page.asker, others);
      else this.#running.delete(page.asker);
      this.#serve();
    }
  }

  async #turn(page: PageAsker, signal: AbortSignal | undefined): Promise<void> {
    if (isNewBroad(page)) this.#makeRoom(page.asker);
    await new Promise<void>((resolve, reject) => {
      const left = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
      };
      const waiting: Waiting = {
        ...page,
        go: () => {
          left();
          resolve();
        },
        refuse: (reason) => {
          left();
          reject(reason as Error);
        },
      };
      const onAbort = (): void => waiting.refuse(signal?.reason);
      const timer = setTimeout(() => waiting.refuse(new TooManySearchesError()), this.limits.waitMsMax);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** One who fills the places alone keeps nobody else out. */
  #makeRoom(asker: string): void {
    // Those that find a turn free do not wait.
    const waiting = this.#waiting.filter(isNewBroad);
    if (waiting.length < this.limits.broadWaitingMax) return;
    const counts = new Map<string, number>([[asker, 1]]);
    for (const one of waiting) counts.set(one.asker, (counts.get(one.asker) ?? 0) + 1);
    const most = Math.max(...counts.values());
    if (counts.get(asker) === most) throw new TooManySearchesError();
    waiting.findLast((one) => counts.get(one.asker) === most)?.refuse(new TooManySearchesError());
  }

  #serve(): void {
    while (this.#taken < this.limits.most) {
      const next = this.#next();
      if (!next) return;
      this.#taken++;
      if (next.isBroad) this.#broadTaken++;
      this.#running.set(next.asker, this.#runningOf(next.asker) + 1);
      next.go();
    }
  }

  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    for (const one of this.#waiting) {
      if (one.isBroad && this.#broadTaken >= this.limits.broadMost) continue;
      if (!next || this.#isBefore(one, next)) next = one;
    }
    return next;
  }

  #isBefore(one: Waiting, other: Waiting): boolean {
    const more = this.#runningOf(one.asker) - this.#runningOf(other.asker);
    return more < 0 || (more === 0 && !one.isFirst && other.isFirst);
  }

  #runningOf(asker: string): number {
    return this.#running.get(asker) ?? 0;
  }
}

const isNewBroad = ({ isBroad, isFirst }: PageAsker): boolean => isBroad && isFirst;
