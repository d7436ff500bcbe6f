/** What is known of the connection a message comes over. */
export interface Incoming {
  /** Between the first byte of a message and its last. */
  readonly inMessage: () => boolean;
  /** Nothing that comes is looked at: the time is ours. */
  readonly held: () => boolean;
  /** The message does not come at the least rate. */
  readonly late: () => void;
}

/**
 * Each PDU gives its sender time for the next one, however little it holds. So that nobody has a place for ever by an
 * object that never ends, a message comes at a least rate, too: what came of it is looked at once in a while, and a
 * stretch in which it began or ended, or in which we did not take what came, counts for nothing.
 */
export class LeastRate {
  readonly #bytesMin: number;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  /** The same message since the last look. */
  #goesOn = false;
  #ours = false;

  /** @param everyMs between two looks */
  constructor(
    private readonly incoming: Incoming,
    { bytesPerSecondMin, everyMs }: { readonly bytesPerSecondMin: number; readonly everyMs: number },
  ) {
    this.#bytesMin = (bytesPerSecondMin * everyMs) / 1_000;
    this.#timer = setInterval(() => this.#look(), everyMs).unref();
  }

  /** A piece of a message came, and was taken. */
  came(bytes: number): void {
    this.#bytes += bytes;
    if (!this.incoming.inMessage()) this.#goesOn = false;
    if (this.incoming.held()) this.#ours = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { inMessage, held, late } = this.incoming;
    const isSlow = this.#goesOn && this.#bytes < this.#bytesMin;
    if (isSlow && !this.#ours && !held()) return late();
    this.#bytes = 0;
    this.#goesOn = inMessage();
    this.#ours = held();
  }
}

/** Each PDU gives its sender time for the next one, but not for as many as it likes. @returns ends the wait */
export function awaitWhole({ held, late }: Incoming, ms: number): () => void {
  const timer = setInterval(() => {
    // We look at nothing that comes: the time is ours.
    if (!held()) late();
  }, ms);
  return () => clearInterval(timer);
}
