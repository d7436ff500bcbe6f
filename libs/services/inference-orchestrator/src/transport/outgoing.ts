/**
 * Messages on their way to one peer: pushed by whoever has something to say, read by the stream. The reader of the
 * peer's frames waits for `room`, so that a peer that does not read cannot fill our memory.
 */
export class Outgoing<T> implements AsyncIterable<T> {
  private readonly messages: T[] = [];
  private ended = false;
  private error: Error | undefined;
  private changed: () => void = () => undefined;
  private change = this.nextChange();

  constructor(private readonly messagesMax: number) {}

  get isEnded(): boolean {
    return this.ended;
  }

  push(message: T): void {
    if (this.ended) return;
    this.messages.push(message);
    this.changed();
  }

  /** Ends the stream after what was pushed; with an error when one is given. */
  end(error?: Error): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    this.changed();
  }

  async room(): Promise<void> {
    while (!this.ended && this.messages.length >= this.messagesMax) await this.change;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const message = this.messages.shift();
      if (message !== undefined) {
        this.changed();
        yield message;
      } else if (this.ended) {
        if (this.error) throw this.error;
        return;
      } else {
        await this.change;
      }
    }
  }

  private nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.changed = () => {
        this.change = this.nextChange();
        resolve();
      };
    });
  }
}
