/** So many at the same time, of which one party has half at most: it cannot keep the others out. */
export class SharedTurns {
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(private readonly most: number) {}

  /** Undefined when nothing is free now for that party. Else what gives it back; called again it does nothing. */
  takeNow(party: string): (() => void) | undefined {
    const share = Math.max(1, Math.floor(this.most / 2));
    const own = this.#taken.get(party) ?? 0;
    if (this.#all >= this.most || own >= share) return undefined;
    this.#change(party, 1);
    let given = false;
    return () => {
      if (!given) this.#change(party, -1);
      given = true;
    };
  }

  #change(party: string, by: number): void {
    this.#all += by;
    const own = (this.#taken.get(party) ?? 0) + by;
    if (own === 0) this.#taken.delete(party);
    else this.#taken.set(party, own);
  }
}
