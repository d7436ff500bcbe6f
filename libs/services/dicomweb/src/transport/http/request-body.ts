import type { Readable } from 'node:stream';

import { CallosumError } from '@callosum/kernel';
import { onBrokenOff, waitsToGoOn } from '@callosum/runtime';

import { BadRequestError } from '../../domain/errors/door.js';
import { SlowRequestError } from '../../domain/errors/store.js';

/** What a sender has to bring, and how long it is heard when its answer is known. */
export interface BodyBounds {
  /** Bytes in `everyMs` milliseconds of waiting for it; those in which we do not ask for more do not count. */
  readonly paceBytes: number;
  readonly everyMs: number;
  /** What is read and forgotten of the rest before the answer is sent: whichever comes first. */
  readonly leftoverBytesMax: number;
  readonly leftoverMs: number;
  /** The same of a request of which nothing was read, since its headers refuse it: a short body comes with them. */
  readonly untouchedMs: number;
  /** How long the rest is read on behind an answer that did not wait for all of it; the connection is closed then. */
  readonly lingerMs: number;
}

export const bodyBounds: BodyBounds = {
  // One KiB a second: a modem did more, and who brings less holds a request's place for ever with a byte a minute.
  paceBytes: 60 * 1024,
  everyMs: 60_000,
  // More would only be a way to keep the server busy.
  leftoverBytesMax: 256 * 1024 * 1024,
  leftoverMs: 10_000,
  untouchedMs: 100,
  lingerMs: 30_000,
};

/**
 * A request's body that outlives its reader: who stops reading does not close it, since closing it would cut the
 * connection before the answer.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #waitedMs = 0;
  #received = 0;
  /** Somebody has asked for some of it. */
  #isBegun = false;
  #isBrokenOff = false;
  /** Ends the waiting for a next chunk. */
  #cut: () => void = () => undefined;

  constructor(
    private readonly stream: Readable,
    private readonly bounds: BodyBounds = bodyBounds,
  ) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    onBrokenOff(stream, () => {
      this.#isBrokenOff = true;
      this.#cutOnceRead();
    });
  }

  /** What came before the break is read first. */
  #cutOnceRead(): void {
    if (this.#isBrokenOff && this.stream.readableLength === 0) this.#cut();
  }

  /** Iterations throw BadRequestError when the request is cut off, SlowRequestError when it comes too slowly. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next() };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    this.#isBegun = true;
    const asked = performance.now();
    try {
      const next = await this.#within(this.bounds.everyMs - this.#waitedMs);
      if (next === undefined) throw new SlowRequestError();
      this.#count(performance.now() - asked, next.done ? 0 : next.value.length);
      return next;
    } catch (error) {
      throw error instanceof CallosumError ? error : new BadRequestError('the request is cut off');
    }
  }

  /** @returns undefined when nothing comes in time; what comes later is not given again */
  async #within(ms: number): Promise<IteratorResult<Uint8Array> | undefined> {
    // One for each chunk: a promise that stays would keep all who ever waited for it.
    const cut = new Promise<never>((_, reject) => {
      this.#cut = () => reject(new BadRequestError('the request is cut off'));
    });
    this.#cutOnceRead();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, ms, undefined);
    });
    try {
      return await Promise.race([this.#chunks.next(), late, cut]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whoever brought enough in this stretch of waiting begins a new one. */
  #count(waitedMs: number, bytes: number): void {
    this.#waitedMs += waitedMs;
    this.#received += bytes;
    if (this.#received < this.bounds.paceBytes) return;
    this.#waitedMs = 0;
    this.#received = 0;
  }

  /**
   * Reads and forgets what is left: many clients look for an answer only when they have sent all, and take a
   * connection closed before that for a failure of the network. Of what nobody has begun to read only what is there: its
   * sender may have gigabytes to send for nothing, and some ask before they do (`Expect: 100-continue`).
   * @returns false when there is more than is read: the answer goes before it then, by `answerBefore`
   */
  async drain(): Promise<boolean> {
    if (waitsToGoOn(this.stream)) return false;
    const { leftoverMs, untouchedMs, leftoverBytesMax } = this.bounds;
    return this.#discard(this.#isBegun ? leftoverMs : untouchedMs, leftoverBytesMax);
  }

  /**
   * An answer that does not wait for the rest of the request, as the body of one with `Connection: close`: it ends when
   * that has come, or after a while. Ended at once it would close the connection with bytes on it that nobody read, and
   * the client's side may throw the answer away when it hears of that.
   */
  async *answerBefore(answer: Uint8Array): AsyncGenerator<Uint8Array> {
    yield answer;
    await this.#discard(this.bounds.lingerMs, Infinity);
  }

  /** @returns false when it did not end within these bounds */
  async #discard(ms: number, bytesMax: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    try {
      for (let bytes = 0; bytes <= bytesMax;) {
        const leftMs = deadline - performance.now();
        // What is there at once is given in any time, and a fast sender always has some.
        if (leftMs <= 0) return false;
        const next = await this.#within(leftMs);
        if (next === undefined) return false;
        if (next.done === true) return true;
        bytes += next.value.length;
      }
      return false;
    } catch {
      // Nothing more comes: the client is gone, or has ended its side.
      return true;
    }
  }
}
