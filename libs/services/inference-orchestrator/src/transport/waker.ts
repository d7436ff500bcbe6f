/** Tells those who wait that something may be due; a missed call costs one poll interval, never work. */
export class Waker {
  private turns = 0;
  private readonly waiting = new Set<() => void>();

  /** Changes with every `wake`: taken before looking for work, it tells whether a call came since. */
  get turn(): number {
    return this.turns;
  }

  wake(): void {
    this.turns += 1;
    for (const resolve of [...this.waiting]) resolve();
  }

  /** Until the next `wake`, or `timeoutMs`; at once when one came since `turn`. */
  async wait(turn: number, timeoutMs: number): Promise<void> {
    if (turn !== this.turns) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiting.add(done);
    });
  }
}
