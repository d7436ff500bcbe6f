export interface Waiting {
  readonly byteCount: number;
  /** Opaque; undefined where those who ask cannot be told apart. */
  readonly asker: string | undefined;
  /** Called when it has its turn. */
  readonly go: () => void;
  /** When it became the first of those that wait for room. */
  firstSince?: number;
}

/** Those that wait for memory, in the order they came, and what those hold who had their turn. */
export class WaitingLine {
  readonly #waiting: Waiting[] = [];
  readonly #heldBy = new Map<string, number>();
  #held = 0;

  /**
   * @param bytesOfAsker what one who asks may hold, unless it is by a single one
   * @param isOvertaken whether those behind the first may have their turn before it
   */
  constructor(
    private readonly bytesOfAsker: number,
    private readonly isOvertaken: (first: Waiting) => boolean,
  ) {}

  get held(): number {
    return this.#held;
  }

  join(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  leave(waiting: Waiting): void {
    const at = this.#waiting.indexOf(waiting);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  giveBack(byteCount: number, asker: string | undefined): void {
    this.#count(-byteCount, asker);
  }

  /**
   * Gives those their turn that there is room for. Who waits for what its own asker holds keeps nobody else waiting.
   * @returns true when one of them waits for room
   */
  serve(room: () => number): boolean {
    const pastTheirShare = new Set<string>();
    let first: Waiting | undefined;
    for (const waiting of [...this.#waiting]) {
      const { byteCount, asker } = waiting;
      if (asker !== undefined && (pastTheirShare.has(asker) || !this.#isInShare(byteCount, asker))) {
        // Those of the same asker behind it wait too: or a large one would never have its turn.
        pastTheirShare.add(asker);
      } else if (byteCount <= room()) {
        this.leave(waiting);
        this.#count(byteCount, asker);
        waiting.go();
      } else {
        first ??= waiting;
        if (!this.isOvertaken(first)) break;
      }
    }
    return first !== undefined;
  }

  #isInShare(byteCount: number, asker: string): boolean {
    const held = this.#heldBy.get(asker) ?? 0;
    return held === 0 || held + byteCount <= this.bytesOfAsker;
  }

  #count(byteCount: number, asker: string | undefined): void {
    this.#held += byteCount;
    if (asker === undefined) return;
    const held = (this.#heldBy.get(asker) ?? 0) + byteCount;
    if (held > 0) this.#heldBy.set(asker, held);
    else this.#heldBy.delete(asker);
  }
}
