/** A connection that may have no association: not yet, or no more. */
export interface Newcomer {
  readonly address: string;
  /** True while it has none. */
  readonly waits: () => boolean;
  /** Closes the connection. */
  readonly turnAway: () => void;
}

/** Connections without an association, beside those with one: room for one too many to be told so and not just cut. */
const waitingMax = 32;
/** Of one address. Behind a load balancer all peers may have the same one. */
const waitingPerAddressMax = 16;

/**
 * Who has connected and has no association. They are few, for each costs us a socket and nobody knows who they are.
 * Where there is no room the one that waits longest goes, not the one that comes: a peer asks for its association at
 * once, so who keeps silent never keeps others out.
 */
export class Newcomers {
  readonly #all = new Set<Newcomer>();

  /** Call what it returns when the connection is closed. */
  add(newcomer: Newcomer): () => void {
    this.#makeRoom(newcomer.address);
    this.#all.add(newcomer);
    return () => void this.#all.delete(newcomer);
  }

  #makeRoom(address: string): void {
    const waiting = [...this.#all].filter(({ waits }) => waits());
    const neighbours = waiting.filter((other) => other.address === address);
    const crowd = neighbours.length >= waitingPerAddressMax ? neighbours : waiting;
    const [oldest] = crowd;
    if (!oldest || (crowd === waiting && waiting.length < waitingMax)) return;
    this.#all.delete(oldest);
    oldest.turnAway();
  }
}
