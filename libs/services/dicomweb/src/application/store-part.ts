/** A body of which the first bytes were looked at. */
export interface BegunBody {
  /** As many as were asked for, or all there are. */
  readonly head: Uint8Array;
  /** Nothing is behind the head. */
  readonly isWhole: boolean;
  /** All of it, from its first byte. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Reads the first bytes of a body, which may come in chunks of one: they are joined, since each costs hundreds where it is
 * kept as it came.
 * @throws what the body throws
 */
export async function begunWith(body: AsyncIterable<Uint8Array>, headBytes: number): Promise<BegunBody> {
  const chunks = body[Symbol.asyncIterator]();
  let room = Buffer.alloc(0);
  let length = 0;
  let isEnded = false;
  while (length < headBytes) {
    const next = await chunks.next();
    isEnded = next.done === true;
    if (next.done) break;
    const wanted = length + next.value.length;
    if (wanted > room.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, Math.min(2 * room.length, headBytes)));
      room.copy(larger, 0, 0, length);
      room = larger;
    }
    room.set(next.value, length);
    length = wanted;
  }
  const first = room.subarray(0, length);
  const rest: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => chunks };
  return {
    head: first.subarray(0, headBytes),
    isWhole: isEnded,
    body: (async function* () {
      if (first.length > 0) yield first;
      yield* rest;
    })(),
  };
}

/** Content-Length of a part, in bytes; undefined where it says none that could be one. */
export function declaredLength(headers: ReadonlyMap<string, string>): number | undefined {
  const stated = headers.get('content-length') ?? '';
  return /^\d{1,15}$/.test(stated) ? Number(stated) : undefined;
}

/** A part's body that remembers whether it failed itself, or who read it did. */
export class WatchedBody implements AsyncIterable<Uint8Array> {
  hasFailed = false;

  constructor(private readonly body: AsyncIterable<Uint8Array>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.body;
    } catch (error) {
      this.hasFailed = true;
      throw error;
    }
  }
}

/** What is held as a body. */
export async function* asBody(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
