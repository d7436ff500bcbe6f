import { EventLogUnavailableError } from '../errors.js';

export interface SilenceWatchOptions {
  readonly silentMaxMs: number;
  /** Asks what the consumer depends on. @throws {EventLogUnavailableError} while it is away */
  readonly askCluster: () => Promise<unknown>;
  /** Told at every look from then on. */
  readonly onSilent: () => void;
}

/** Looks in `silentMaxMs`. Silence is counted in looks, not by the clock: a process that was stopped was not silent. */
const looks = 10;

/**
 * Finds a consumer that has died without a word: no sign at any look of `silentMaxMs` though the cluster answered at each.
 * While the cluster is away silence is no fault of the consumer's: it would be as silent after a restart. The count begins
 * anew then, so that the consumer has `silentMaxMs` to come back once the cluster has. The cluster is only asked in silence.
 */
export class SilenceWatch {
  #signed = true;
  #silent = 0;
  #looking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: SilenceWatchOptions) {}

  start(): void {
    this.#timer = setInterval(() => void this.#look(), this.options.silentMaxMs / looks).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A fetch, a heartbeat, a generation of the group: it lives. */
  sign(): void {
    this.#signed = true;
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    if (this.#heard()) return;
    this.#looking = true;
    const away = await this.options.askCluster().then(
      () => false,
      (error: unknown) => error instanceof EventLogUnavailableError,
    );
    this.#looking = false;
    if (this.#heard()) return;
    this.#silent = away ? 0 : this.#silent + 1;
    if (this.#silent >= looks && this.#timer) this.options.onSilent();
  }

  #heard(): boolean {
    if (!this.#signed) return false;
    this.#signed = false;
    this.#silent = 0;
    return true;
  }
}
