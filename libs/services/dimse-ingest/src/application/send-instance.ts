import { isDeflated, isEncapsulated, transcode, type TranscodeSource, type Transcoding } from '@callosum/dicom';
import type { Answer, OtherForm, OutgoingObject } from '@callosum/dimse';

import { FairTurns } from './fair-turns.js';
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
 *
 * Nobody has a turn of the codecs while a peer is waited for: one that reads slowly, or not at all, stops no other. Only of
 * frames that are too large to be held beside the turns are few in memory at the same time, and those of one AE half.
 */
export class SendInstance {
  readonly #proofs: FairTurns;
  readonly #largeFrames: FairTurns;
  /** Of what is made again: its message has begun, and must wait neither for a proof nor behind all retrieves of one AE. */
  readonly #frames: FairTurns;

  /** @param transcodingsMax as many objects are proved at the same time, and as many of large frames are being sent */
  constructor(transcodingsMax: number) {
    this.#proofs = new FairTurns(transcodingsMax);
    this.#largeFrames = new FairTurns(transcodingsMax);
    this.#frames = new FairTurns(transcodingsMax);
  }

  /**
   * Resolves with the peer's answer.
   * @param callingAet who asked for the retrieve
   * @param signal ends the waiting and the proving; what has begun to be sent is sent
   * @throws {ContextRefusedError} the peer takes no object of this SOP class
   * @throws {AssociationAbortedError} the association ended
   * @throws what the object store or the transcoding throws; the peer has nothing of it then
   */
  async execute(
    instance: LocatedInstance,
    { objects, callingAet, signal }: { objects: KeptObjects; callingAet: string; signal: AbortSignal },
    store: StoreObject,
  ): Promise<Answer> {
    const { sopClassUid, sopInstanceUid, transferSyntaxUid, blobKey } = instance;
    const source = sourceOf(objects, blobKey);
    let giveBack: (() => void) | undefined;
    const otherwise = async (accepted: readonly string[]): Promise<OtherForm> => {
      giveBack?.();
      const { form, hasLargeFrames } = await this.#proved(source, accepted, callingAet, signal);
      if (hasLargeFrames) giveBack = await this.#largeFrames.take(callingAet, signal);
      return form;
    };
    try {
      return await store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset: asKept(source), otherwise });
    } finally {
      giveBack?.();
    }
  }

  async #proved(
    source: TranscodeSource,
    accepted: readonly string[],
    callingAet: string,
    signal: AbortSignal,
  ): Promise<{ readonly form: OtherForm; readonly hasLargeFrames: boolean }> {
    const giveBack = await this.#proofs.take(callingAet, signal);
    try {
      const transcoding = await transcode(source, { to: accepted, signal });
      const { transferSyntaxUid } = transcoding;
      const { held, largestChunk } = await proved(transcoding);
      if (held) return { form: { transferSyntaxUid, dataset: () => given(held) }, hasLargeFrames: false };
      // Chunks of other syntaxes do not tell how large a frame is.
      const isNative = !isEncapsulated(transferSyntaxUid) && !isDeflated(transferSyntaxUid);
      const hasLargeFrames = !isNative || largestChunk > heldBytesMax;
      const dataset = (): AsyncIterable<Buffer> => this.#again(source, transferSyntaxUid, hasLargeFrames, callingAet);
      return { form: { transferSyntaxUid, dataset }, hasLargeFrames };
    } finally {
      giveBack();
    }
  }

  /** Makes it while it is taken, in turns that end with each piece; beside large frames none are made ahead. */
  async *#again(
    source: TranscodeSource,
    to: string,
    hasLargeFrames: boolean,
    callingAet: string,
  ): AsyncGenerator<Buffer> {
    const limits = hasLargeFrames ? {} : { framesInWorkBytesMax: heldBytesMax };
    const { dataset } = await this.#frames.run(callingAet, () => transcode(source, { to, limits }));
    const chunks = buffers(dataset());
    try {
      for (;;) {
        const { done, value } = await this.#frames.run(callingAet, () => chunks.next());
        if (done) return;
        yield value;
      }
    } finally {
      await chunks.return(undefined);
    }
  }
}

/** Makes the whole dataset once. @returns its bytes, or none when they are too many to hold */
async function proved(transcoding: Transcoding): Promise<{ held: Buffer[] | undefined; largestChunk: number }> {
  let held: Buffer[] | undefined = [];
  let byteCount = 0;
  let largestChunk = 0;
  for await (const chunk of buffers(transcoding.dataset())) {
    byteCount += chunk.length;
    largestChunk = Math.max(largestChunk, chunk.length);
    if (byteCount > heldBytesMax) held = undefined;
    held?.push(chunk);
  }
  return { held, largestChunk };
}

async function* given(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  await Promise.resolve();
  yield* chunks;
}
