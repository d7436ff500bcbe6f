import { setTimeout as sleep } from 'node:timers/promises';

import { CallosumError } from '@callosum/kernel';

import type { CurrentInstances, LocatedInstance } from './query-ports.js';

/** Instances of one question to the archive, one study's at a time: its statement costs as much as a few of them. */
const askedAtOnce = 100;
/** What is hidden or corrected meanwhile goes out for so long at most, however slowly the peer takes the objects before it. */
const freshMs = 2_000;
/** An archive that cannot be asked is waited for this long in all, and asked so often. */
const awayMsMax = 60_000;
const awayPauseMs = 1_000;

/**
 * The instances of a retrieve as they come up. They are listed once, and sent for minutes or hours: what a person or a
 * rejection note hides meanwhile is not given out any more, and what is corrected goes out as it is then.
 */
export class StillShown {
  #known: readonly (LocatedInstance | undefined)[] = [];
  /** Which of all the first of those is. */
  #from = 0;
  #askedAt = -Infinity;
  /** Since when nobody can say what is shown. */
  #awaySince: number | undefined;

  /** @param instances in the order in which they are sent */
  constructor(
    private readonly archive: CurrentInstances,
    private readonly instances: readonly LocatedInstance[],
    private readonly pause: (ms: number, signal: AbortSignal) => Promise<unknown> = (ms, signal) =>
      sleep(ms, undefined, { signal }),
  ) {}

  /**
   * The instance at this place and the one behind it; undefined where there is none, or none is shown any more.
   * @param signal ends the waiting for an archive that cannot say it now
   * @throws {ArchiveUnavailableError} nobody could say for a minute whether it is, nor can now
   */
  async from(
    at: number,
    signal: AbortSignal,
  ): Promise<readonly [LocatedInstance | undefined, LocatedInstance | undefined]> {
    const last = Math.min(at + 1, this.instances.length - 1);
    const isKnown = at >= this.#from && last < this.#from + this.#known.length;
    const now = performance.now();
    if (!isKnown || now - this.#askedAt > freshMs) {
      this.#known = await this.#asked(this.instances.slice(at, at + askedAtOnce), signal);
      this.#from = at;
      // Before it was asked.
      this.#askedAt = now;
    }
    return [this.#known[at - this.#from], this.#known[at + 1 - this.#from]];
  }

  /** A database that fails over is away for seconds: what is left of the retrieve waits for it, once. */
  async #asked(instances: readonly LocatedInstance[], signal: AbortSignal): Promise<(LocatedInstance | undefined)[]> {
    for (;;) {
      try {
        const shown = await this.#ask(instances);
        this.#awaySince = undefined;
        return shown;
      } catch (error) {
        this.#awaySince ??= performance.now();
        const isOver = performance.now() - this.#awaySince > awayMsMax;
        if (isOver || !(error instanceof CallosumError) || !error.retriable) throw error;
        await this.pause(awayPauseMs, signal);
      }
    }
  }

  async #ask(instances: readonly LocatedInstance[]): Promise<(LocatedInstance | undefined)[]> {
    const byStudy = new Map<string, string[]>();
    for (const { studyInstanceUid, sopInstanceUid } of instances) {
      const uids = byStudy.get(studyInstanceUid) ?? [];
      byStudy.set(studyInstanceUid, uids);
      uids.push(sopInstanceUid);
    }
    const shown = new Map<string, LocatedInstance>();
    for (const [studyInstanceUid, uids] of byStudy)
      for (const instance of await this.archive.now(studyInstanceUid, uids)) shown.set(keyOf(instance), instance);
    return instances.map((instance) => shown.get(keyOf(instance)));
  }
}

const keyOf = ({ studyInstanceUid, sopInstanceUid }: LocatedInstance): string =>
  `${studyInstanceUid} ${sopInstanceUid}`;
