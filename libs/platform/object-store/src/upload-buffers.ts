/** The smallest part S3 takes, but for the last (S3 API, UploadPart): 10,000 of them are an object of 48 GiB. */
export const partBytes = 5 * 1024 * 1024;

/** What most objects fit in: they are sent as one. */
export const wholeBytesMax = 1024 * 1024;

/**
 * The memory of one process for uploads of one kind: buffers of one size, so many and no more. Who wants one when none
 * is left waits its turn, and reads nothing more from its sender meanwhile. Buffers are used again: new ones for each
 * object or part would be garbage faster than it is collected (docs/adr/0060).
 */
export class UploadBuffers {
  readonly #idle: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #made = 0;

  /**
   * @param bufferBytes of each
   * @param idleMax kept when nobody needs them
   */
  constructor(
    readonly bufferBytes: number,
    readonly buffersMax: number,
    private readonly idleMax = 8,
  ) {}

  take(): Promise<Buffer> {
    const idle = this.#idle.pop();
    if (idle) return Promise.resolve(idle);
    if (this.#made < this.buffersMax) {
      this.#made++;
      return Promise.resolve(this.#make());
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else if (this.#idle.length < this.idleMax) this.#idle.push(buffer);
    else this.#made--;
  }

  /** Instead of `give`, when a request that failed may still read the buffer: it is nobody's any more. */
  discard(): void {
    const next = this.#waiting.shift();
    if (next) next(this.#make());
    else this.#made--;
  }

  #make(): Buffer {
    return Buffer.allocUnsafeSlow(this.bufferBytes);
  }
}
