import type { Readable } from 'node:stream';

import type { KeptObjects } from './ports.js';

/** A stream that nobody reads for longer may be cut by its store in the middle; then it is opened anew. */
const freshMs = 5_000;

/**
 * Opens the object that is sent next while the peer still takes the one before: with objects on a network, asking for one
 * takes longer than reading it. One retrieve has one of these, and closes it.
 */
export class ReadAhead implements KeptObjects {
  readonly #ahead = new Map<string, { readonly opened: Promise<Readable>; readonly at: number }>();
  #next: string | undefined;

  constructor(private readonly objects: KeptObjects) {}

  /**
   * What is opened once the object before it is read. Says too that it is the turn of what was announced before: all else
   * that is open had its turn, and nobody asked for it.
   */
  announce(blobKey: string | undefined): void {
    for (const [key, { opened }] of this.#ahead) {
      if (key === this.#next) continue;
      letGo(opened);
      this.#ahead.delete(key);
    }
    this.#next = blobKey;
  }

  async open(blobKey: string, signal?: AbortSignal): Promise<Readable> {
    const ahead = this.#ahead.get(blobKey);
    this.#ahead.delete(blobKey);
    const isFresh = ahead !== undefined && performance.now() - ahead.at < freshMs;
    if (ahead && !isFresh) letGo(ahead.opened);
    const opened = ahead && isFresh ? ahead.opened : this.objects.open(blobKey, signal);
    this.#begin();
    const stream = await opened;
    // One that broke while it waited has given nothing to anybody.
    return stream.destroyed ? this.objects.open(blobKey, signal) : stream;
  }

  /** Whether it can be had shows when it is its turn. */
  #begin(): void {
    const blobKey = this.#next;
    if (blobKey === undefined || this.#ahead.has(blobKey)) return;
    const opened = this.objects.open(blobKey);
    // An error event that nobody hears would end the process.
    opened.then(
      (stream) => stream.on('error', () => undefined),
      () => undefined,
    );
    this.#ahead.set(blobKey, { opened, at: performance.now() });
  }

  /** Lets go of what was not read. */
  close(): void {
    for (const { opened } of this.#ahead.values()) letGo(opened);
    this.#ahead.clear();
  }
}

const letGo = (opened: Promise<Readable>): void =>
  void opened.then(
    (stream) => stream.destroy(),
    () => undefined,
  );
