import { Readable } from 'node:stream';

/** What stands before the pixels, and is held until the first frame is made. */
const heldHeadBytesMax = 1024 * 1024;

export interface Beginning {
  isBegun(): boolean;
  /** What is thrown from the stream instead. */
  translated(error: unknown): unknown;
  /** Ends what nobody reads. */
  readonly signal: AbortSignal;
}

/**
 * A stream of chunks, of which as many were taken as it takes until it has begun. Nothing is read ahead of who reads it.
 * @throws whatever is thrown before it has
 */
export async function begun(
  chunks: AsyncGenerator<Uint8Array>,
  { isBegun, translated, signal }: Beginning,
): Promise<Readable> {
  const taken: Uint8Array[] = [];
  for (let byteCount = 0; !isBegun() && byteCount < heldHeadBytesMax;) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    taken.push(value);
    byteCount += value.length;
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield* taken.splice(0);
    try {
      yield* chunks;
    } catch (error) {
      throw translated(error);
    }
  };
  const stream = Readable.from(all(), { objectMode: false });
  // Who never reads it does not run what would close them, and an answer of headers alone does not even open it. Who reads
  // hears from the chunks that they have ended.
  const end = (): void => {
    if (!stream.readableDidRead) stream.destroy();
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return stream.once('close', () => {
    signal.removeEventListener('abort', end);
    void chunks.return(undefined).catch(() => undefined);
  });
}
