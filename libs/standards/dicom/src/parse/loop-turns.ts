/** Elements that are read without a break: about a millisecond. */
export const stepsOfTurn = 4_096;

/**
 * Who has much to do gives the event loop back in between. Of all that wait only one goes on in a turn of the loop: with
 * many of them at work, everybody else still waits for one at a time.
 */
export class LoopTurns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves in a later turn of the event loop, in the order they came. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) this.#ask();
    });
  }

  #ask(): void {
    setImmediate(() => {
      this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#ask();
    });
  }
}

/** Of this process. */
export const loopTurns = new LoopTurns();
