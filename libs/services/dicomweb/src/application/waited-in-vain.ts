/** So long nobody waits for it again: one object that the index cannot read holds up no viewer. */
const vainMs = 10_000;
/** Blobs of which that is remembered; of more none is. */
const rememberedMax = 10_000;

/** Blobs that the index was waited for in vain, for a while. */
export class WaitedInVain {
  /** Until when it counts, in milliseconds. */
  readonly #until = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  has(blobKey: string): boolean {
    return (this.#until.get(blobKey) ?? -Infinity) > this.now();
  }

  remember(blobKeys: Iterable<string>): void {
    const now = this.now();
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
    for (const key of blobKeys) if (this.#until.size < rememberedMax) this.#until.set(key, now + vainMs);
  }
}
