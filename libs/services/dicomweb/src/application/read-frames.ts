import type { Readable } from 'node:stream';

import {
  DicomPixelError,
  DicomTranscodeError,
  ExplicitVRLittleEndian,
  isDecoded,
  isEncapsulated,
  nativeFrameBits,
  transcodeFrame,
} from '@callosum/dicom';

import { choicesOfNative, type FrameChoice, frameNotAcceptable } from '../domain/frame-choices.js';
import { NotFoundError } from '../domain/errors/door.js';
import { type BytePart, rangesOfPart } from '../domain/range.js';
import type { FrameLayouts } from './frame-layouts.js';
import type { PixelLayout } from './layout-cache.js';
import { nativeFrames } from './native-frames.js';
import { openRanges } from './open-ranges.js';
import type { ByteRange, KeptInstance, KeptInstances, Selection } from './ports/archive.js';
import type { RetrieveMemory } from './ports/memory.js';
import type { FrameSource, StoredFrame } from './ports/pixels.js';
import { bytesOf, streamOf } from './stored-file.js';

/** A frame, or a bulk value. */
export interface PixelBody {
  /** Bytes of it. */
  readonly byteCount: number;
  /** Called once, in the order of the bodies. @param part of it; only where the body is `ranged` */
  open(part?: BytePart): Promise<Readable>;
  /** True where a part of it can be read without the rest. */
  readonly ranged: boolean;
}

export interface FrameBody extends PixelBody {
  /** From 1. */
  readonly number: number;
}

export interface ChosenBodies<B extends PixelBody = PixelBody> {
  readonly choice: FrameChoice;
  readonly first: B;
  /** The others, in the order asked. Each is made when it is asked for. */
  readonly rest: AsyncIterable<B>;
  /** With the first. */
  readonly count: number;
  /** True where they are the stored bytes: the next one can be opened ahead. */
  readonly asStored: boolean;
}

/** A frame's samples, those of the proof, what goes in and what comes out. */
const transcodedCopies = 4;
/** A frame as it is stored, and cut out of that. */
const cutCopies = 2;
/** Its code stream, and that in a buffer of the codec's thread. */
const encodedCopies = 2;

/**
 * Frames of one instance (PS3.18 10.4.1.1.6): streamed as they are stored, each a range of the blob where it is one, or
 * transcoded one by one.
 */
export class ReadFrames implements FrameSource {
  constructor(
    private readonly kept: KeptInstances,
    private readonly layouts: FrameLayouts,
  ) {}

  /** @throws {NotFoundError} */
  async instance(selection: Required<Selection>): Promise<KeptInstance> {
    const [instance] = await this.kept.locate(selection);
    if (!instance) throw new NotFoundError('the instance');
    return instance;
  }

  /**
   * The frames in the first form that they can be had in: what one is transcoded to, all are.
   * @param choices best first
   * @param known where they lie, if that has been found out: of very many frames it is not remembered
   * @throws {NotFoundError} before anything is read, for any of the frames
   * @throws {NotAcceptableError} when none of the forms can be made of the first frame
   * @throws {IndexBehindError} {TooLargeError} {MemoryTakenError} {RetrieveEndedError} DicomCodecsBusyError
   */
  async read(
    instance: KeptInstance,
    numbers: readonly number[],
    choices: readonly FrameChoice[],
    memory: RetrieveMemory,
    known?: PixelLayout,
  ): Promise<ChosenBodies<FrameBody>> {
    const layout = known ?? (await this.layouts.of(instance, numbers, memory));
    const { transferSyntaxUid: stored } = instance;
    const syntax = layout.encapsulated ? stored : ExplicitVRLittleEndian;
    for (const choice of layout.encapsulated ? choices : choicesOfNative(choices, stored)) {
      const asStored = choice.transferSyntaxUid === syntax;
      const bodies = asStored
        ? this.#asStored(instance, layout, numbers, memory)
        : this.#transcoded(instance, numbers, choice.transferSyntaxUid, memory, layout);
      const first = await possibly(bodies.next());
      if (first === undefined) {
        // What was held to try it.
        await memory.hold(0);
        continue;
      }
      if (first.done === true) throw new NotFoundError('a frame');
      return { choice, first: first.value, rest: bodies, count: numbers.length, asStored };
    }
    throw frameNotAcceptable(instance.transferSyntaxUid);
  }

  async *frames(
    instance: KeptInstance,
    numbers: readonly number[],
    memory: RetrieveMemory,
    known?: PixelLayout,
  ): AsyncGenerator<StoredFrame> {
    const { image, tag, vr } = await this.layouts.element(instance, memory);
    const layout = known ?? (await this.layouts.of(instance, numbers, memory));
    const { signal } = memory;
    if (layout.encapsulated) {
      const transferSyntaxUid = instance.transferSyntaxUid;
      for (const { number, byteCount, ranges } of this.#encapsulated(instance, layout.frames, numbers, signal)) {
        const bytes = async (): Promise<Uint8Array> =>
          bytesOf(await this.#open(instance, ranges, signal), byteCount, signal);
        yield { number, transferSyntaxUid, image, tag, vr, byteCount, ranges, bytes };
      }
      return;
    }
    for (const { number, byteCount, ranges, open } of nativeFrames(this.kept, instance, layout, numbers, signal)) {
      const bytes = async (): Promise<Uint8Array> => bytesOf(await open(), byteCount, signal);
      const where = ranges ? { ranges } : {};
      yield { number, transferSyntaxUid: ExplicitVRLittleEndian, image, tag, vr, byteCount, ...where, bytes };
    }
  }

  async *#asStored(
    instance: KeptInstance,
    layout: PixelLayout,
    numbers: readonly number[],
    memory: RetrieveMemory,
  ): AsyncGenerator<FrameBody> {
    const { signal } = memory;
    if (layout.encapsulated) {
      yield* this.#encapsulated(instance, layout.frames, numbers, signal);
      return;
    }
    for (const frame of nativeFrames(this.kept, instance, layout, numbers, signal)) {
      const { number, byteCount, ranges } = frame;
      const open = async (): Promise<Readable> => {
        if (frame.held) await memory.hold(Math.min(cutCopies * byteCount, memory.bytesMax));
        return frame.open();
      };
      yield ranges ? this.#body(instance, number, ranges, signal) : { number, byteCount, ranged: false, open };
    }
  }

  /** @throws {NotFoundError} for one that is not in the blob */
  #encapsulated(
    instance: KeptInstance,
    frames: ReadonlyMap<number, readonly ByteRange[]>,
    numbers: readonly number[],
    signal: AbortSignal,
  ): readonly (FrameBody & { readonly ranges: readonly ByteRange[] })[] {
    return numbers.map((number) => {
      const ranges = frames.get(number) ?? [];
      const isThere = ranges.every(({ offset, length }) => offset + length <= instance.byteCount);
      if (ranges.length === 0 || !isThere) throw new NotFoundError(`frame ${String(number)}`);
      return { ...this.#body(instance, number, ranges, signal), ranges };
    });
  }

  #body(instance: KeptInstance, number: number, ranges: readonly ByteRange[], signal: AbortSignal): FrameBody {
    return {
      number,
      byteCount: lengthOf(ranges),
      ranged: true,
      open: (part) => this.#open(instance, part ? rangesOfPart(ranges, part) : ranges, signal),
    };
  }

  /** Ranges of the blob, one after the other: each is read when the one before it has been taken. */
  #open(instance: KeptInstance, ranges: readonly ByteRange[], signal: AbortSignal): Promise<Readable> {
    return openRanges(this.kept, instance, ranges, signal);
  }

  async *#transcoded(
    instance: KeptInstance,
    numbers: readonly number[],
    transferSyntaxUid: string,
    memory: RetrieveMemory,
    layout: PixelLayout,
  ): AsyncGenerator<FrameBody> {
    let held = 0;
    for await (const frame of this.frames(instance, numbers, memory, layout)) {
      const { number } = frame;
      const wanted = memoryOf(frame);
      // Before it is read: a video is one frame of any length.
      if (wanted > memory.bytesMax) throw new DicomTranscodeError('too-large', 'A frame is larger than may be held');
      // What was held for the frame before will do for most.
      if (wanted > held) await memory.hold(wanted);
      held = Math.max(held, wanted);
      const { bytes } = await transcodeFrame(
        { ...frame, bytes: await frame.bytes() },
        transferSyntaxUid,
        memory.signal,
      );
      // All that is left of the work, while a client takes its time; where another frame follows, its work comes then.
      if (numbers.length === 1) memory.keep(bytes.buffer.byteLength);
      yield { number, byteCount: bytes.length, ranged: false, open: () => Promise.resolve(streamOf(bytes)) };
    }
  }
}

/**
 * Bytes that transcoding a frame takes at most.
 * Thrown when its syntax is not decoded: DicomTranscodeError.
 */
function memoryOf({ transferSyntaxUid, byteCount, image }: StoredFrame): number {
  if (isEncapsulated(transferSyntaxUid) && !isDecoded(transferSyntaxUid))
    throw new DicomTranscodeError('undecodable', `Pixels in ${transferSyntaxUid} are not decoded`);
  // Single bits become bytes; chroma becomes as fine as luma.
  const samples = Math.max(Math.ceil(nativeFrameBits(image) / 8), image.rows * image.columns * image.samplesPerPixel);
  return encodedCopies * byteCount + transcodedCopies * samples;
}

/** Undefined when a frame cannot be had in a syntax without loss, or not be decoded. */
async function possibly<T>(made: Promise<T>): Promise<T | undefined> {
  try {
    return await made;
  } catch (error) {
    if (error instanceof DicomTranscodeError || error instanceof DicomPixelError) return undefined;
    throw error;
  }
}

const lengthOf = (ranges: readonly ByteRange[]): number => ranges.reduce((sum, { length }) => sum + length, 0);
