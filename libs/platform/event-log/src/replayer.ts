import { behindParkedCode, ReplayRunningError } from './errors.js';
import type { DueKey, ParkedKey, ParkedStore, ReplayOptions, ReplayOutcome } from './parked.js';
import { Waker } from './waker.js';

export interface ReplayerTuning {
  /** Between two looks for keys whose time has come. */
  readonly lookEveryMs: number;
  /** After a round that found things still away. */
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
 * A look is one read of a small index. Half a minute between rounds that found things away is what the end of an outage
 * may go unseen while many keys wait. Two minutes between pulls: a fact that always claims an outage is pulled with the
 * rest, and must not be tried more often than every few minutes because others come through.
 */
export const defaultReplayerTuning: ReplayerTuning = {
  lookEveryMs: 5_000,
  awayPauseMs: 30_000,
  hastenEveryMs: 120_000,
};
/** Of one look. What is left is looked for again at once, as long as something comes through. */
const keysMax = 20;
/** Of one key in its turn: a second or two of handling, then other keys have theirs. */
const eventsMax = 100;
/** In a row, of different keys: whatever it is, it is still away, and more attempts would only add to its load. */
const failuresMax = 3;

type Round = 'progress' | 'away' | 'idle';

/**
 * Replays what was parked while something was away, without a person: keys whose time has come, one at a time, the one
 * that is due longest first. A key that fails goes to the end with a longer pause, so none starves. Every replica runs
 * one; the lock of the replay and a second look at the time under it let each key be tried by one of them.
 */
export class Replayer {
  readonly #options: ReplayerOptions;
  readonly #tuning: ReplayerTuning;
  readonly #waker = new Waker();
  readonly #stopping = new AbortController();
  readonly #recovered = new Set<string>();
  readonly #hastenedAt = new Map<string, number>();
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
      let round: Round = 'idle';
      try {
        await this.#hasten();
        round = await this.#round();
      } catch (error) {
        this.#options.onReplayError?.(error);
      }
      if (round === 'progress' || this.#stopping.signal.aborted) continue;
      await this.#waker.wait(turn, round === 'away' ? this.#tuning.awayPauseMs : this.#tuning.lookEveryMs);
    }
  }

  async #hasten(): Promise<void> {
    for (const code of this.#recovered) {
      await this.#options.parked.hasten(this.#options.group, code);
      this.#recovered.delete(code);
    }
  }

  async #round(): Promise<Round> {
    let failures = 0;
    let progress = false;
    for (const due of await this.#options.parked.due(this.#options.group, keysMax)) {
      if (this.#stopping.signal.aborted) break;
      const outcome = await this.#replay(due);
      if (outcome && outcome.replayed > 0) {
        failures = 0;
        progress = true;
        if (due.errorCode !== behindParkedCode) this.recovered(due.errorCode);
      } else if (outcome?.retried && ++failures >= failuresMax) return 'away';
    }
    return progress ? 'progress' : 'idle';
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
