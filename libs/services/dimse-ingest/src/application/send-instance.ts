import { storedDataset, transcode, type TranscodeSource, type Transcoding } from '@callosum/dicom';
import { type Answer, ContextRefusedError, type DatasetSource, type SubOperationSender } from '@callosum/dimse';

import type { KeptObjects, LocatedInstance } from './query-ports.js';
import type { Turns } from './turns.js';

/** A transcoded object up to this size is held until it is sent; a CT or MR of one frame has less than 1 MiB. */
const heldBytesMax = 8 * 1024 * 1024;

/**
 * One C-STORE sub-operation. The peer gets the bytes that are stored where it takes their transfer syntax; else the object
 * is transcoded without loss (lossy originals keep saying that they are).
 *
 * A message that has begun cannot be taken back, so what is transcoded is proved before: all frames are made once, and
 * held if they are few; of a larger object they are thrown away and made again while it is sent. It costs twice the time
 * and no disk, and no peer ever has half an object because a frame is broken.
 */
export class SendInstance {
  /** @param transcodings as many objects are worked on at the same time */
  constructor(private readonly transcodings: Turns) {}

  /**
   * Resolves with the peer's answer.
   * @param signal ends the waiting and the proving; what has begun to be sent is sent
   * @throws {ContextRefusedError} the peer takes no object of this SOP class
   * @throws {AssociationAbortedError} the association ended
   * @throws what the object store or the transcoding throws; nothing was sent then
   */
  async execute(
    instance: LocatedInstance,
    objects: KeptObjects,
    sender: SubOperationSender,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { sopClassUid, sopInstanceUid, transferSyntaxUid, blobKey } = instance;
    const accepted = sender.transferSyntaxesFor(sopClassUid);
    if (accepted.length === 0) throw new ContextRefusedError(sopClassUid, transferSyntaxUid, refused);
    const source: TranscodeSource = {
      open: async (ended) => (await objects.open(blobKey, ended)) as AsyncIterable<Uint8Array>,
    };
    if (!accepted.includes(transferSyntaxUid)) return this.#transcoded(instance, source, accepted, sender, signal);
    const dataset = (): AsyncIterable<Buffer> => buffers(storedDataset(source, undefined));
    return sender.store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset });
  }

  async #transcoded(
    { sopClassUid, sopInstanceUid }: LocatedInstance,
    source: TranscodeSource,
    accepted: readonly string[],
    sender: SubOperationSender,
    signal: AbortSignal,
  ): Promise<Answer> {
    const giveBack = await this.transcodings.take(signal);
    try {
      const transcoding = await transcode(source, { to: accepted, signal });
      const { transferSyntaxUid } = transcoding;
      const held = await proved(transcoding);
      // What is held waits for the peer, and no longer for codecs.
      if (held) giveBack();
      const dataset: DatasetSource = () => (held ? given(held) : again(source, transferSyntaxUid));
      return await sender.store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset });
    } finally {
      giveBack();
    }
  }
}

/** Result of a presentation context that was not answered, or refused (PS3.8 table 9-18 has none for both). */
const refused = 255;

/** Makes the whole dataset once. @returns its bytes, or undefined when they are too many to hold */
async function proved(transcoding: Transcoding): Promise<Buffer[] | undefined> {
  let held: Buffer[] | undefined = [];
  let byteCount = 0;
  for await (const chunk of buffers(transcoding.dataset())) {
    byteCount += chunk.length;
    if (byteCount > heldBytesMax) held = undefined;
    held?.push(chunk);
  }
  return held;
}

async function* again(source: TranscodeSource, to: string): AsyncGenerator<Buffer> {
  yield* buffers((await transcode(source, { to })).dataset());
}

async function* given(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  await Promise.resolve();
  yield* chunks;
}

async function* buffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
