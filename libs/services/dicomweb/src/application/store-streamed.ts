import { encapsulatedEnd, encapsulatedHead, fragmentHead, type Part10Parts, valueHead } from '@callosum/dicom';

import { UnusableMetadataError } from '../domain/errors/store.js';
import type { ObjectWriter } from './ports/intake.js';
import type { WaitingInstance } from './store-waiting.js';

/** An instance that is written while its last value comes: of that value one chunk is held. */
export class StreamedInstance {
  #frames = 0;

  private constructor(
    readonly instance: WaitingInstance,
    private readonly path: string,
    private readonly after: readonly Uint8Array[],
    private readonly writer: ObjectWriter,
  ) {}

  /**
   * Writes what stands before the value.
   * @param path a value of the dataset itself
   * @param parts of the file, around it
   */
  static async begin(
    instance: WaitingInstance,
    path: string,
    { before, after }: Part10Parts,
    open: () => ObjectWriter,
  ): Promise<StreamedInstance> {
    const writer = await openedWith(open, before);
    return new StreamedInstance(instance, path, after, writer);
  }

  get framesWritten(): number {
    return this.#frames;
  }

  /**
   * The value, native or of any other attribute.
   * @param byteCount stands before it, so that it must be so long
   * @throws {UnusableMetadataError} when it is of another length, and what the body throws
   */
  async octets(byteCount: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    await this.writer.write(valueHead(this.path, this.instance.vrOf(this.path), byteCount));
    await this.#stream(byteCount, body);
    await this.#end();
  }

  /** The next frame of encapsulated Pixel Data, as one fragment (PS3.5 A.4). @throws as `octets` does */
  async frame(byteCount: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#frames++ === 0) await this.writer.write(encapsulatedHead(this.path));
    await this.writer.write(fragmentHead(byteCount));
    await this.#stream(byteCount, body);
  }

  /** After the last frame. */
  async endFrames(): Promise<void> {
    await this.writer.write(encapsulatedEnd);
    await this.#end();
  }

  /** The object, whole: to be committed. */
  get written(): ObjectWriter {
    return this.writer;
  }

  abort(): Promise<void> {
    return this.writer.abort();
  }

  async #end(): Promise<void> {
    for (const piece of this.after) await this.writer.write(piece);
  }

  /** Values have an even length (PS3.5 7.1.1): one byte behind an odd one is its padding, whoever wrote it. */
  async #stream(byteCount: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > byteCount + (byteCount & 1)) throw otherLength();
      await this.writer.write(chunk);
    }
    if (bytes < byteCount) throw otherLength();
    if ((bytes & 1) === 1) await this.writer.write(Uint8Array.of(0));
  }
}

/** Opens an object and writes how it begins. @throws what writing throws, with nothing left open */
export async function openedWith(open: () => ObjectWriter, pieces: Iterable<Uint8Array>): Promise<ObjectWriter> {
  const writer = open();
  try {
    for (const piece of pieces) await writer.write(piece);
    return writer;
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

const otherLength = (): UnusableMetadataError =>
  new UnusableMetadataError('a bulk value is of another length than was said of it');
