import type { CurrentInstances, LocatedInstance } from './query-ports.js';

/** Instances of one question to the archive, one study's at a time: its statement costs as much as a few of them. */
const askedAtOnce = 100;
/** What is hidden or corrected meanwhile goes out for so long at most, however slowly the peer takes the objects before it. */
const freshMs = 2_000;

/**
 * The instances of a retrieve as they come up. They are listed once, and sent for minutes or hours: what a person or a
 * rejection note hides meanwhile is not given out any more, and what is corrected goes out as it is then.
 */
export class StillShown {
  #known: readonly (LocatedInstance | undefined)[] = [];
  /** Which of all the first of those is. */
  #from = 0;
  #askedAt = -Infinity;

  /** @param instances in the order in which they are sent */
  constructor(
    private readonly archive: CurrentInstances,
    private readonly instances: readonly LocatedInstance[],
  ) {}

  /**
   * The instance at this place and the one behind it; undefined where there is none, or none is shown any more.
   * @throws {ArchiveUnavailableError} nobody can say now whether it is
   */
  async from(at: number): Promise<readonly [LocatedInstance | undefined, LocatedInstance | undefined]> {
    const last = Math.min(at + 1, this.instances.length - 1);
    const isKnown = at >= this.#from && last < this.#from + this.#known.length;
    const now = performance.now();
    if (!isKnown || now - this.#askedAt > freshMs) {
      this.#known = await this.#ask(this.instances.slice(at, at + askedAtOnce));
      this.#from = at;
      // Before it was asked.
      this.#askedAt = now;
    }
    return [this.#known[at - this.#from], this.#known[at + 1 - this.#from]];
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
