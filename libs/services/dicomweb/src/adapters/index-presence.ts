import { CallosumError } from '@callosum/kernel';

/** Thrown when study-index does not answer. */
export class IndexUnavailableError extends CallosumError {
  constructor(cause: unknown) {
    super('dicomweb.index-unavailable', 'unavailable', 'the index does not answer', { cause });
  }
}

/** Why it is not asked: it was silent a moment ago, or is just now. */
class SilentError extends Error {
  override readonly name = 'SilentError';
}

export interface AnswerTimes {
  /** Milliseconds until the first message: a busy index takes less, and who waits longer could have read the object. */
  readonly firstMs: number;
  /** The same between two messages, from when the second one is wanted. */
  readonly nextMs: number;
  /** How long nobody asks an index that was silent; then one does. */
  readonly silentMs: number;
}
const defaults: AnswerTimes = { firstMs: 5_000, nextMs: 30_000, silentMs: 5_000 };

/** Often enough to be seen, and no line for each request. */
const toldEveryMs = 300_000;

/**
 * Whether study-index answers. One that refuses connections says so at once; one that hangs, or is behind a network that
 * drops packets, is waited for by one question at a time, and the others go without meanwhile: what they ask for is in
 * the archive too.
 */
export class IndexPresence {
  readonly #times: AnswerTimes;
  /** Milliseconds since the epoch; 0 while it answers. */
  #silentUntil = 0;
  #toldAt = -Infinity;

  /** @param tell is told that it does not answer, now and then */
  constructor(
    private readonly tell: (error: IndexUnavailableError) => void,
    times: Partial<AnswerTimes> = {},
    private readonly now: () => number = Date.now,
  ) {
    this.#times = { ...defaults, ...times };
  }

  /**
   * Messages of one question, each of which has to come in time once it is waited for; whoever takes them may take time.
   * @param ask gets a signal that ends the question
   * @throws {IndexUnavailableError} when they do not
   */
  async *messages<T>(ask: (signal: AbortSignal) => AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
    this.#assertSpeaks();
    const ended = new AbortController();
    const messages = ask(AbortSignal.any([signal, ended.signal]))[Symbol.asyncIterator]();
    let isOver = false;
    try {
      for (let isFirst = true; ; isFirst = false) {
        const next = await this.#inTime(messages.next(), isFirst);
        this.#silentUntil = 0;
        isOver = next.done === true;
        if (next.done === true) return;
        yield next.value;
      }
    } catch (error) {
      // Whatever it says, it speaks.
      if (!(error instanceof IndexUnavailableError) && !signal.aborted) this.#silentUntil = 0;
      throw error;
    } finally {
      // An abort makes an error with its stack, which for every question that was answered is much.
      if (!isOver) ended.abort();
      // Not waited for: one that is silent may not end either.
      void messages.return?.(undefined).catch(() => undefined);
    }
  }

  /** That it cannot be asked, in whatever way. @returns the error */
  unavailable(cause: unknown): IndexUnavailableError {
    const error = new IndexUnavailableError(cause);
    if (this.now() - this.#toldAt >= toldEveryMs) {
      this.#toldAt = this.now();
      this.tell(error);
    }
    return error;
  }

  #assertSpeaks(): void {
    if (this.#silentUntil === 0) return;
    if (this.now() < this.#silentUntil) throw this.unavailable(new SilentError('it was silent a moment ago'));
    // This one asks.
    this.#silentUntil = this.now() + this.#times.silentMs + this.#times.firstMs;
  }

  async #inTime<T>(message: Promise<T>, isFirst: boolean): Promise<T> {
    const waitMs = isFirst ? this.#times.firstMs : this.#times.nextMs;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        if (isFirst) this.#silentUntil = this.now() + this.#times.silentMs;
        reject(this.unavailable(new SilentError(`nothing came in ${String(waitMs)} ms`)));
      }, waitMs);
    });
    try {
      return await Promise.race([message, silence]);
    } finally {
      clearTimeout(timer);
      // Nobody waits for it where the other was first.
      message.catch(() => undefined);
    }
  }
}
