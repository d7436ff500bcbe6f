/** Places for requests at the same time, of which one who asks has half at most: nobody keeps all others out. */
export class Places {
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  constructor(private readonly placesMax: number) {}

  /**
   * @param asker opaque; undefined where those who ask cannot be told apart: they may have all together
   * @returns what gives the place back, called once or more; undefined where there is none
   */
  take(asker: string | undefined): (() => void) | undefined {
    if (this.#taken >= this.placesMax || this.#of(asker) >= Math.ceil(this.placesMax / 2)) return undefined;
    this.#count(asker, 1);
    let taken = true;
    return () => {
      if (taken) this.#count(asker, -1);
      taken = false;
    };
  }

  #of(asker: string | undefined): number {
    return asker === undefined ? 0 : (this.#takenBy.get(asker) ?? 0);
  }

  #count(asker: string | undefined, by: 1 | -1): void {
    this.#taken += by;
    if (asker === undefined) return;
    const taken = this.#of(asker) + by;
    if (taken > 0) this.#takenBy.set(asker, taken);
    else this.#takenBy.delete(asker);
  }
}
