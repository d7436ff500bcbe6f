import type { ScpLimits } from './limits.js';

/** A connection that may have no association: not yet, or no more. */
export interface Newcomer {
  readonly address: string;
  /** True while it has none. */
  readonly waits: () => boolean;
  /** Closes the connection. */
  readonly turnAway: () => void;
}

/**
 * Who has connected and has no association. They are few, for each costs us a socket and nobody knows who they are.
 * Where there is no room the one that waits longest goes, not the one that comes: a peer asks for its association at
 * once, so who keeps silent never keeps others out.
 */
export class Newcomers {
  readonly #all = new Set<Newcomer>();

  constructor(private readonly limits: Pick<ScpLimits, 'newcomersMax' | 'newcomersPerAddressMax'>) {}

  /** Call what it returns when the connection is closed. */
  add(newcomer: Newcomer): () => void {
    this.#makeRoom(newcomer.address);
    this.#all.add(newcomer);
    return () => void this.#all.delete(newcomer);
  }

  #makeRoom(address: string): void {
    const waiting = [...this.#all].filter(({ waits }) => waits());
    const neighbours = waiting.filter((other) => other.address === address);
    const crowd = neighbours.length >= this.limits.newcomersPerAddressMax ? neighbours : waiting;
    const [oldest] = crowd;
    if (!oldest || (crowd === waiting && waiting.length < this.limits.newcomersMax)) return;
    this.#all.delete(oldest);
    oldest.turnAway();
  }
}
