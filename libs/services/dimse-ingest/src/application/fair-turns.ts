import { Turns } from '@callosum/kernel';

interface Share {
  readonly turns: Turns;
  /** Who has a turn of it or waits for one. */
  users: number;
}

/**
 * So many work at the same time, of one party half at most: it cannot keep the others out, however long it takes. Those
 * that wait do so in the order they came, each behind its own party first.
 */
export class FairTurns {
  readonly #all: Turns;
  readonly #share: number;
  readonly #shares = new Map<string, Share>();

  constructor(most: number) {
    this.#all = new Turns(most);
    this.#share = Math.max(1, Math.floor(most / 2));
  }

  /**
   * Resolves with what gives the turn back; called again it does nothing.
   * @param signal ends the waiting, with its reason
   */
  async take(party: string, signal?: AbortSignal): Promise<() => void> {
    const share = this.#shares.get(party) ?? { turns: new Turns(this.#share), users: 0 };
    this.#shares.set(party, share);
    share.users++;
    const given: (() => void)[] = [() => this.#leave(party, share)];
    const giveBack = (): void => {
      for (const give of given.splice(0)) give();
    };
    try {
      given.push(await share.turns.take(signal));
      given.push(await this.#all.take(signal));
      return giveBack;
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** Runs `work` in a turn of its own. @param signal as of `take` */
  async run<T>(party: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const giveBack = await this.take(party, signal);
    try {
      return await work();
    } finally {
      giveBack();
    }
  }

  #leave(party: string, share: Share): void {
    if (--share.users === 0) this.#shares.delete(party);
  }
}
