import { behindParkedCode, ReplayRunningError } from './errors.js';
import type { DueKey, ParkedKey, ParkedStore, ReplayOptions, ReplayOutcome } from './parked.js';
import { Waker } from './waker.js';

export interface ReplayerTuning {
  /** Between two rounds of looks for keys whose time has come. */
  readonly lookEveryMs: number;
  /** How long keys that failed with a code are left alone after several found it still away. */
  readonly awayPauseMs: number;
  /** Between two times that what waits for one thing is pulled forward, in one process. */
  readonly hastenEveryMs: number;
}

export interface ReplayerEvents {
  /** Told of each key that was tried. */
  readonly onReplayed?: (key: Omit<ParkedKey, 'group'>, outcome: ReplayOutcome) => void;
  /** Due keys could not be looked for, or the outcome not be written down; tried again. */
  readonly onReplayError?: (error: unknown) => void;
}

export interface ReplayerOptions extends ReplayerEvents {
  readonly group: string;
  readonly parked: Pick<ParkedStore, 'due' | 'hasten'>;
  /** Gives the key's facts to the handlers, under the key's lock. */
  readonly replay: (key: Omit<ParkedKey, 'group'>, options: ReplayOptions) => Promise<ReplayOutcome>;
  readonly tuning?: Partial<ReplayerTuning>;
}

/**
 * A look is one read of a small index. Half a minute between turns of a code that finds things away is what the end of an
 * outage may go unseen while many keys wait. Two minutes between pulls: a fact that always claims an outage is pulled with the
 * rest, and must not be tried more often than every few minutes because others come through.
 */
export const defaultReplayerTuning: ReplayerTuning = {
  lookEveryMs: 5_000,
  awayPauseMs: 30_000,
  hastenEveryMs: 120_000,
};
/** Of one look. What is left is looked for again at once. */
const keysMax = 20;
/** Of one key in its turn: a second or two of handling, then other keys have theirs. */
const eventsMax = 100;
/** In a row with one code, of different keys: it is still away, and more attempts would only add to its load. */
const failuresMax = 3;

/**
 * Replays what was parked while something was away, without a person: keys whose time has come, one at a time, the one
 * that is due longest first. A key that fails goes to the end with a longer pause, and a code that three keys failed with
 * is left alone for a while as a whole: however many wait for what is away, others have their turn. Every replica runs one; the lock of the replay and a second look at the time under it let each key be tried by one of them.
 */
export class Replayer {
  readonly #options: ReplayerOptions;
  readonly #tuning: ReplayerTuning;
  readonly #waker = new Waker();
  readonly #stopping = new AbortController();
  readonly #recovered = new Set<string>();
  readonly #hastenedAt = new Map<string, number>();
  /** Codes that are left alone, until when. */
  readonly #awayUntil = new Map<string, number>();
  #running: Promise<void> | undefined;

  constructor(options: ReplayerOptions) {
    this.#options = options;
    this.#tuning = { ...defaultReplayerTuning, ...options.tuning };
  }

  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Something that failed with this code answers again: what waits for it is tried now. */
  recovered(errorCode: string): void {
    if (Date.now() < (this.#hastenedAt.get(errorCode) ?? 0) + this.#tuning.hastenEveryMs) return;
    this.#hastenedAt.set(errorCode, Date.now());
    this.#awayUntil.delete(errorCode);
    this.#recovered.add(errorCode);
    this.#waker.wake();
  }

  /** Begins nothing more; resolves when the fact that is being handled has ended. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#waker.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const { turn } = this.#waker;
      try {
        await this.#round();
      } catch (error) {
        this.#options.onReplayError?.(error);
      }
      if (!this.#stopping.signal.aborted) await this.#waker.wait(turn, this.#tuning.lookEveryMs);
    }
  }

  async #round(): Promise<void> {
    const failures = new Map<string, number>();
    do await this.#hasten();
    while (await this.#look(failures));
  }

  async #hasten(): Promise<void> {
    for (const code of this.#recovered) {
      await this.#options.parked.hasten(this.#options.group, code);
      this.#recovered.delete(code);
    }
  }

  /**
   * @param failures in a row by code: the one a fact fails with now, which it lies there with from then on. What it came
   * with may be another one, so a fact that has not met what is away yet is tried once.
   * @returns whether more may be due
   */
  async #look(failures: Map<string, number>): Promise<boolean> {
    const due = await this.#options.parked.due(this.#options.group, keysMax, this.#away());
    let tried = 0;
    let more = false;
    for (const key of due) {
      if (this.#stopping.signal.aborted) return false;
      if (this.#awayUntil.has(key.errorCode)) {
        more = true;
        continue;
      }
      const outcome = await this.#replay(key);
      if (!outcome) continue;
      const { replayed, retried, errorCode } = outcome;
      if (replayed > 0) {
        more = true;
        failures.delete(key.errorCode);
        if (key.errorCode !== behindParkedCode) this.recovered(key.errorCode);
      }
      if (retried && errorCode !== undefined) this.#failed(failures, errorCode);
      if (replayed > 0 || errorCode !== undefined) tried += 1;
    }
    return more || (tried > 0 && due.length === keysMax);
  }

  #failed(failures: Map<string, number>, code: string): void {
    const count = (failures.get(code) ?? 0) + 1;
    failures.set(code, count);
    if (count < failuresMax) return;
    failures.delete(code);
    this.#awayUntil.set(code, Date.now() + this.#tuning.awayPauseMs);
  }

  /** Codes to leave alone now. */
  #away(): string[] {
    for (const [code, until] of this.#awayUntil) if (until <= Date.now()) this.#awayUntil.delete(code);
    return [...this.#awayUntil.keys()];
  }

  /** @returns undefined when another replica or a person is at it */
  async #replay({ topic, key }: DueKey): Promise<ReplayOutcome | undefined> {
    const { replay, onReplayed } = this.#options;
    try {
      const outcome = await replay({ topic, key }, { eventsMax, onlyDue: true, signal: this.#stopping.signal });
      // Nothing was tried when another replica had it in the meantime.
      if (outcome.replayed > 0 || outcome.errorCode) onReplayed?.({ topic, key }, outcome);
      return outcome;
    } catch (error) {
      if (error instanceof ReplayRunningError) return undefined;
      throw error;
    }
  }
}
