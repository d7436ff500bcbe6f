import type { ScuOptions } from '../scu/scu-options.js';
import { KeptAssociation } from './kept-association.js';

export interface PeerPoolOptions {
  /** An association nobody used for this long is released. */
  readonly idleMs: number;
}

interface Idle {
  readonly association: KeptAssociation;
  readonly timer: NodeJS.Timeout;
}

/** Less than most peers wait before they end a silent association. */
const defaults: PeerPoolOptions = { idleMs: 10_000 };

/** Kept associations to many peers. Each is used by one at a time; whoever comes meanwhile gets one of its own. */
export class PeerPool {
  readonly #idle = new Map<string, Idle[]>();
  readonly #options: PeerPoolOptions;
  #closed = false;

  constructor(options: Partial<PeerPoolOptions> = {}) {
    this.#options = { ...defaults, ...options };
  }

  /**
   * Runs `work` with an association to a peer, the one used last where one is free.
   * @param key names the peer: its title, host and port
   */
  async use<T>(
    key: string,
    options: () => ScuOptions | Promise<ScuOptions>,
    work: (association: KeptAssociation) => Promise<T>,
  ): Promise<T> {
    const association = this.#take(key) ?? new KeptAssociation(options);
    try {
      return await work(association);
    } finally {
      if (this.#closed) await association.close();
      else this.#give(key, association);
    }
  }

  /** Releases what is idle now, and the rest as soon as it is. */
  async close(): Promise<void> {
    this.#closed = true;
    const idle = [...this.#idle.values()].flat();
    this.#idle.clear();
    for (const { timer } of idle) clearTimeout(timer);
    await Promise.all(idle.map(({ association }) => association.close()));
  }

  #take(key: string): KeptAssociation | undefined {
    const found = this.#idle.get(key)?.pop();
    if (!found) return undefined;
    clearTimeout(found.timer);
    return found.association;
  }

  #give(key: string, association: KeptAssociation): void {
    const entry: Idle = { association, timer: setTimeout(() => this.#release(key, entry), this.#options.idleMs) };
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, [...idle, entry]);
  }

  #release(key: string, entry: Idle): void {
    const left = (this.#idle.get(key) ?? []).filter((other) => other !== entry);
    if (left.length > 0) this.#idle.set(key, left);
    else this.#idle.delete(key);
    void entry.association.close();
  }
}
