/** Which values a label map holds: one flag a value, filled chunk by chunk. */
export class LabelValues {
  readonly #seen = new Uint8Array(256);

  add(chunk: Uint8Array): void {
    const seen = this.#seen;
    for (let i = 0; i < chunk.length; i++) seen[chunk[i] ?? 0] = 1;
  }

  /** Ascending, background (0) left out. */
  get labels(): number[] {
    return [...this.#seen.keys()].filter((value) => value > 0 && this.#seen[value] === 1);
  }
}
