import { StoreMemoryTakenError, UnusableMetadataError } from '../domain/errors/store.js';

/** Memory that all requests with metadata share. Nobody waits for it, since who waits holds some already. */
export class HeldMemory {
  #free: number;

  constructor(readonly bytesMax: number) {
    this.#free = bytesMax;
  }

  get free(): number {
    return this.#free;
  }

  tryTake(byteCount: number): boolean {
    if (byteCount > this.#free) return false;
    this.#free -= byteCount;
    return true;
  }

  give(byteCount: number): void {
    this.#free += byteCount;
  }
}

/** What one request holds until its instances are whole. */
export class RequestHold {
  #held = 0;

  constructor(
    private readonly memory: HeldMemory,
    private readonly bytesMax: number,
  ) {}

  /** Bytes that this request may take now. */
  get left(): number {
    return Math.min(this.bytesMax - this.#held, this.memory.free);
  }

  /**
   * @throws {UnusableMetadataError} when this request may not hold so much, {StoreMemoryTakenError} when all together may
   *   not now
   */
  take(byteCount: number): void {
    if (this.#held + byteCount > this.bytesMax)
      throw new UnusableMetadataError(
        `one request has ${this.bytesMax} bytes of metadata and bulk data waiting at most: ` +
          'send each value right behind what it belongs to, with its Content-Length',
      );
    if (!this.memory.tryTake(byteCount)) throw new StoreMemoryTakenError();
    this.#held += byteCount;
  }

  give(byteCount: number): void {
    this.#held -= byteCount;
    this.memory.give(byteCount);
  }
}

/** A first block, and the largest: each is as large as all before it, so that few are mostly empty and none is long. */
const blockBytes = { first: 4 * 1024, most: 1024 * 1024 };
/** Memory of a block beside its bytes: a buffer of one byte takes some 400. */
const blockCost = 512;

/** What is held no longer grows, and whoever has it gives back its bytes of the hold. */
export interface Held {
  readonly pieces: readonly Uint8Array[];
  /** Of the pieces together. */
  readonly byteCount: number;
  /** What it takes of the hold. */
  readonly heldBytes: number;
}

/**
 * Bytes that are held, copied into blocks: a sender of tiny chunks costs no more memory than any other, and nothing is
 * held twice while it grows.
 */
export class HeldBytes {
  #blocks: Buffer[] = [];
  #heldBytes = 0;
  #byteCount = 0;
  /** Of the last block. */
  #free = 0;

  constructor(private readonly hold: RequestHold) {}

  /** @throws as `RequestHold.take` does; what was held stays held */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const block = this.#free > 0 ? this.#blocks.at(-1) : undefined;
      const piece = chunk.subarray(at, at + this.#free);
      block?.set(piece, block.length - this.#free);
      this.#free -= piece.length;
      this.#byteCount += piece.length;
      at += piece.length;
      if (at < chunk.length) this.#grow(chunk.length - at);
    }
  }

  /** All of it. This holds nothing then, and may be filled again. */
  handOver(): Held {
    const last = this.#blocks.at(-1);
    if (last && this.#free > 0) {
      const cut = Buffer.allocUnsafeSlow(last.length - this.#free);
      last.copy(cut);
      this.#blocks[this.#blocks.length - 1] = cut;
      this.#give(this.#free);
    }
    const held: Held = { pieces: this.#blocks, byteCount: this.#byteCount, heldBytes: this.#heldBytes };
    this.#forget();
    return held;
  }

  release(): void {
    this.#give(this.#heldBytes);
    this.#forget();
  }

  #grow(wantedBytes: number): void {
    const { first, most } = blockBytes;
    const room = Math.min(most, Math.max(first, wantedBytes, this.#byteCount));
    // To the last byte of what is left: with none left, taking says whose share is used up.
    const length = Math.max(1, Math.min(room, this.hold.left - blockCost));
    this.hold.take(length + blockCost);
    this.#heldBytes += length + blockCost;
    this.#blocks.push(Buffer.allocUnsafeSlow(length));
    this.#free = length;
  }

  #give(byteCount: number): void {
    this.#heldBytes -= byteCount;
    this.hold.give(byteCount);
  }

  #forget(): void {
    this.#blocks = [];
    this.#heldBytes = 0;
    this.#byteCount = 0;
    this.#free = 0;
  }
}

/** All of a body. @throws as `RequestHold.take` does, and what the body throws, with nothing held */
export async function heldOf(body: AsyncIterable<Uint8Array>, hold: RequestHold): Promise<Held> {
  const held = new HeldBytes(hold);
  try {
    for await (const chunk of body) held.push(chunk);
    return held.handOver();
  } finally {
    held.release();
  }
}
