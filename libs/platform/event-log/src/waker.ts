/** A pause that ends early when somebody knows there is work. One waiter; a wake during work is kept for the next pause. */
export class Waker {
  #pending = false;
  #end: (() => void) | undefined;

  wake(): void {
    if (this.#end) this.#end();
    else this.#pending = true;
  }

  /** Resolves to true when woken, false after `ms`. */
  pause(ms: number): Promise<boolean> {
    if (this.#pending) {
      this.#pending = false;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const done = (woken: boolean) => (): void => {
        clearTimeout(timer);
        this.#end = undefined;
        resolve(woken);
      };
      const timer = setTimeout(done(false), ms);
      this.#end = done(true);
    });
  }
}
