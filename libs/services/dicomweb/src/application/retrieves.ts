import { MemoryTakenError, TooManyRetrievesError } from '../domain/errors.js';
import type { MemoryBudget, RetrieveMemory } from './ports.js';

export interface RetrieveLimits {
  /** Requests at once: each may read an object from the store for as long as its client takes it. */
  readonly requestsMax: number;
  /** How long one waits for memory that others hold. */
  readonly memoryWaitMs: number;
}

/** All retrieves under way in this process. */
export class Retrieves {
  #running = 0;

  constructor(
    private readonly memory: MemoryBudget,
    private readonly limits: RetrieveLimits,
  ) {}

  /** Its `end` must be called when the answer has ended, however. @throws {TooManyRetrievesError} */
  begin(): Retrieve {
    if (this.#running >= this.limits.requestsMax) throw new TooManyRetrievesError();
    this.#running++;
    return new Retrieve(this.memory, this.limits.memoryWaitMs, () => this.#running--);
  }
}

/** One retrieve. It holds one thing at a time, so that none waits for memory while it holds some. */
export class Retrieve implements RetrieveMemory {
  readonly #ended = new AbortController();
  #giveBack: (() => void) | undefined;

  constructor(
    private readonly memory: MemoryBudget,
    private readonly waitMs: number,
    private readonly onEnd: () => void,
  ) {}

  get bytesMax(): number {
    return this.memory.bytesMax;
  }

  async hold(byteCount: number): Promise<void> {
    this.#letGo();
    const giveBack = await this.#take(byteCount);
    // Its turn and its end may come at the same time.
    if (this.#ended.signal.aborted) giveBack();
    else this.#giveBack = giveBack;
  }

  /** Gives back what is held. Further calls do nothing. */
  end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#letGo();
    this.onEnd();
  }

  async #take(byteCount: number): Promise<() => void> {
    try {
      return await this.memory.take(byteCount, AbortSignal.any([this.#ended.signal, AbortSignal.timeout(this.waitMs)]));
    } catch (cause) {
      throw new MemoryTakenError({ cause });
    }
  }

  #letGo(): void {
    this.#giveBack?.();
    this.#giveBack = undefined;
  }
}
