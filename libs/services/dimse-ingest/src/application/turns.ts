/** So many at the same time; the others wait in the order they came. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(private readonly most: number) {}

  /** Undefined when nothing is free now. Else what gives it back; called again it does nothing. */
  takeNow(): (() => void) | undefined {
    if (this.#taken >= this.most) return undefined;
    this.#taken++;
    return this.#giver();
  }

  /** Resolves with what gives it back. @param signal ends the waiting, with its reason */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const now = this.takeNow();
    if (now) return now;
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(signal.reason as Error);
      };
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.push(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
    return this.#giver();
  }

  #giver(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#taken--;
    };
  }
}
