import { MemoryTakenError, RetrieveEndedError, TooManyRetrievesError } from '../domain/errors/retrieve.js';
import { Places } from './places.js';
import type { MemoryBudget, RetrieveMemory } from './ports/memory.js';

export interface RetrieveLimits {
  /** Requests at once: each may read an object from the store for as long as its client takes it. */
  readonly requestsMax: number;
  /** How long one waits for memory that others hold. */
  readonly memoryWaitMs: number;
}

/** What a retrieve is of: pictures wait for memory and codecs, so they may be half of all and no more. */
export type RetrieveKind = 'stored' | 'pictures';

/** All retrieves under way in this process. */
export class Retrieves {
  readonly #places: Places;
  readonly #pictures: Places;

  constructor(
    private readonly memory: MemoryBudget,
    private readonly limits: RetrieveLimits,
  ) {
    this.#places = new Places(limits.requestsMax);
    this.#pictures = new Places(Math.ceil(limits.requestsMax / 2));
  }

  /**
   * Its `end` must be called when the answer has ended, however.
   * @param asker as of {@link Places}, of those for pictures too; of the memory it has half as well
   * @throws {TooManyRetrievesError}
   */
  begin(kind: RetrieveKind = 'stored', asker?: string): Retrieve {
    const places = [this.#places.take(asker), ...(kind === 'pictures' ? [this.#pictures.take(asker)] : [])];
    const leave = (): void => places.forEach((place) => place?.());
    if (places.includes(undefined)) {
      leave();
      throw new TooManyRetrievesError();
    }
    return new Retrieve(this.memory, this.limits.memoryWaitMs, leave, asker);
  }
}

/** One for all: every answer ends, nobody reads where, and the stack of an error is a fiftieth of what a frame takes. */
const ended = new RetrieveEndedError();

/**
 * One retrieve. It holds one thing at a time, so that none waits for memory while it holds some. It counts, and what it
 * holds is held, until its answer has ended and so has all work for it: a client that goes does not end what was read
 * for it, and many that come and go would have that many objects in memory at once.
 */
export class Retrieve implements RetrieveMemory {
  readonly #ended = new AbortController();
  /** The answer, and the work for it. */
  #open = 1;
  #giveBack: ((left?: number) => void) | undefined;

  constructor(
    private readonly memory: MemoryBudget,
    private readonly waitMs: number,
    private readonly onEnd: () => void,
    private readonly asker: string | undefined,
  ) {}

  get bytesMax(): number {
    return this.memory.bytesMax;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  async hold(byteCount: number): Promise<void> {
    this.signal.throwIfAborted();
    this.#letGo();
    // Who needs nothing more does not wait behind those who do.
    if (byteCount === 0) return;
    const giveBack = await this.#take(byteCount);
    // Its turn and its end may come at the same time.
    if (this.signal.aborted) giveBack();
    this.signal.throwIfAborted();
    this.#giveBack = giveBack;
  }

  keep(byteCount: number): void {
    this.#giveBack?.(byteCount);
  }

  /** Something works for the answer, until the function it returns is called. */
  work(): () => void {
    this.#open++;
    let working = true;
    return () => {
      if (working) this.#leave();
      working = false;
    };
  }

  /** The answer has been sent, or its client has gone: what works for it is to stop. Further calls do nothing. */
  end(): void {
    if (this.signal.aborted) return;
    this.#ended.abort(ended);
    this.#leave();
  }

  #leave(): void {
    if (--this.#open > 0) return;
    this.#letGo();
    this.onEnd();
  }

  async #take(byteCount: number): Promise<(left?: number) => void> {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(this.waitMs)]);
    try {
      return await this.memory.take(byteCount, signal, this.asker);
    } catch (cause) {
      this.signal.throwIfAborted();
      throw new MemoryTakenError({ cause });
    }
  }

  #letGo(): void {
    this.#giveBack?.();
    this.#giveBack = undefined;
  }
}
