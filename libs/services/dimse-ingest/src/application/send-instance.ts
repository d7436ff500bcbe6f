import { transcode, type TranscodeSource, type Transcoding } from '@callosum/dicom';
import type { Answer, OtherForm, OutgoingObject } from '@callosum/dimse';
import type { Turns } from '@callosum/kernel';

import { asKept, buffers, sourceOf } from './kept-dataset.js';
import type { KeptObjects } from './ports.js';
import type { LocatedInstance } from './query-ports.js';

/** A transcoded object up to this size is held until it is sent; a CT or MR of one frame has less than 1 MiB. */
const heldBytesMax = 8 * 1024 * 1024;

/** C-STORE to the peer of a retrieve. */
export type StoreObject = (object: OutgoingObject) => Promise<Answer>;

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
   * @throws what the object store or the transcoding throws; the peer has nothing of it then
   */
  async execute(
    instance: LocatedInstance,
    objects: KeptObjects,
    store: StoreObject,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { sopClassUid, sopInstanceUid, transferSyntaxUid, blobKey } = instance;
    const source = sourceOf(objects, blobKey);
    let giveBack: (() => void) | undefined;
    const otherwise = async (accepted: readonly string[]): Promise<OtherForm> => {
      giveBack?.();
      giveBack = await this.transcodings.take(signal);
      const { held, form } = await provedForm(source, accepted, signal);
      // What is held waits for the peer, and no longer for codecs.
      if (held) giveBack();
      return form;
    };
    try {
      return await store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset: asKept(source), otherwise });
    } finally {
      giveBack?.();
    }
  }
}

async function provedForm(
  source: TranscodeSource,
  accepted: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly held: boolean; readonly form: OtherForm }> {
  const transcoding = await transcode(source, { to: accepted, signal });
  const { transferSyntaxUid } = transcoding;
  const held = await proved(transcoding);
  const dataset = (): AsyncIterable<Buffer> => (held ? given(held) : again(source, transferSyntaxUid));
  return { held: held !== undefined, form: { transferSyntaxUid, dataset } };
}

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
