/** One timer of a connection: whoever is late is named by a code. Armed anew for every PDU, so it must cost little. */
export class Watch {
  #timer: NodeJS.Timeout | undefined;
  #ms = 0;
  #code = '';

  constructor(private readonly late: (code: string) => void) {}

  get armed(): boolean {
    return this.#timer !== undefined;
  }

  /** From now, `ms`. */
  arm(ms: number, code: string): void {
    this.#code = code;
    if (this.#timer && this.#ms === ms) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#ms = ms;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.late(this.#code);
    }, ms);
  }

  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
