/** What was abandoned still has to be closed: aborts sent, connections given back. Then nobody waits for it any more. */
export const closingMsMax = 5_000;

/**
 * The end of a process: one grace for everything in it. From `begin` on no part takes new work; what runs may go on for
 * `graceMs`, is abandoned then, and nobody waits for it longer than `closingMsMax` after that. Abandoned work is not lost:
 * events, jobs and publications are rows with leases, and a sender without a response keeps its copy.
 */
export class Drain {
  readonly #began = new AbortController();
  readonly #over = new AbortController();
  readonly #cut = new AbortController();
  #beganAt = 0;

  constructor(readonly graceMs: number) {}

  /** Aborts when the process is asked to end. */
  get began(): AbortSignal {
    return this.#began.signal;
  }

  /** Aborts when the grace is over. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** What is left of the grace; all of it before `begin`. */
  get remainingMs(): number {
    return this.began.aborted ? Math.max(0, this.#beganAt + this.graceMs - Date.now()) : this.graceMs;
  }

  /** Once; the grace counts from the first call. */
  begin(): void {
    if (this.began.aborted) return;
    this.#beganAt = Date.now();
    setTimeout(() => {
      this.#over.abort();
      setTimeout(() => this.#cut.abort(), closingMsMax).unref();
    }, this.graceMs).unref();
    this.#began.abort();
  }

  /** Runs `stop` when the drain begins, or now when it has. */
  onBegin(stop: () => void): void {
    if (this.began.aborted) stop();
    else this.began.addEventListener('abort', stop, { once: true });
  }

  /**
   * Waits for `work`; calls `abandon` when the grace ends first, and stops waiting `closingMsMax` after that.
   * Rejects as `work` does.
   */
  async within(work: Promise<unknown>, abandon: () => void = () => undefined): Promise<void> {
    const forget = new AbortController();
    const { signal } = forget;
    const cut = new Promise<void>((resolve) => whenAborted(this.#cut.signal, resolve, signal));
    whenAborted(this.#over.signal, abandon, signal);
    try {
      await Promise.race([work, cut]);
    } finally {
      forget.abort();
    }
  }
}

function whenAborted(signal: AbortSignal, then: () => void, forget: AbortSignal): void {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true, signal: forget });
}
