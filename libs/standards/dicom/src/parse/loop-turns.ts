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

/** Work that stops now and then, so that others have a turn before it goes on. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** All of it without a break: for what is known to be short. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

/** All of it, with turns of others wherever it stops. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    await loopTurns.next();
  }
}

/** Counts what is done without a break. */
export class StepCount {
  #steps = 0;

  /** @returns true when it is time to stop for others */
  isDue(steps = 1): boolean {
    this.#steps += steps;
    if (this.#steps < stepsOfTurn) return false;
    this.#steps = 0;
    return true;
  }
}
