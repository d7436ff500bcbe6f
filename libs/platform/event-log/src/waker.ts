/**
 * Ends the waits of those who look for work when there may be some. Any number may wait; a call nobody waits for is
 * seen by the next wait that began looking before it. A missed call costs one poll interval, never work.
 */
export class Waker {
  #turns = 0;
  readonly #waiting = new Set<() => void>();

  /** Changes with every call of `wake`: taken before looking for work, it tells whether a call came since. */
  get turn(): number {
    return this.#turns;
  }

  wake(): void {
    this.#turns += 1;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const end of waiting) end();
  }

  /**
   * Until the next call of `wake`, or `timeoutMs`; at once when one came since `turn`.
   * @returns true when woken, false when the time was up
   */
  wait(turn: number, timeoutMs: number): Promise<boolean> {
    if (turn !== this.#turns) return Promise.resolve(true);
    return new Promise((resolve) => {
      const woken = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(woken);
        resolve(false);
      }, timeoutMs);
      this.#waiting.add(woken);
    });
  }
}
