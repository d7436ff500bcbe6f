/** Ends idle workers' waits when something may be due; a missed call costs one poll interval, never work. */
export class Waker {
  private turns = 0;
  private readonly waiting = new Set<() => void>();

  /** Changes with every call of `wake`: taken before looking for work, it tells whether a call came since. */
  get turn(): number {
    return this.turns;
  }

  wake(): void {
    this.turns += 1;
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  /** Until the next call of `wake`, or `timeoutMs`; at once when one came since `turn`. */
  async wait(turn: number, timeoutMs: number): Promise<void> {
    if (turn !== this.turns) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, timeoutMs);
      const { waiting } = this;
      waiting.add(done);
      function done(): void {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      }
    });
  }
}
