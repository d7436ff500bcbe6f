import {
  DicomPixelError,
  imagePixel,
  nativeFrameBits,
  type ParsedHeader,
  type RangeReader,
  readPixelDataLayout,
  transferSyntaxOf,
  wordBytesOf,
} from '@callosum/dicom';

import { NotFoundError, TooLargeError } from '../domain/errors/door.js';
import { IndexBehindError } from '../domain/errors/retrieve.js';
import { isIndexAway } from './index-away.js';
import type {
  EncapsulatedLayout,
  KnownPixels,
  LayoutCache,
  NativeLayout,
  PixelElement,
  PixelLayout,
} from './layout-cache.js';
import type { KeptInstance, KeptInstances } from './ports/archive.js';
import type { LocatedFrames, StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import type { SeriesFrames } from './ports/pixels.js';
import { SeriesAhead } from './series-ahead.js';
import { withHeader } from './stored-file.js';

/** Frames that are located beyond those asked for: who scrolls asks for the next ones. */
const aheadFrames = 31;
/** Frames of one question to the index. */
const locatedMax = 4_096;
/** An object is walked over whose fragments could be held so often. */
const walkCopies = 2;
/** Memory that a walk over fragments takes at most for each byte of the object: an empty fragment has eight. */
const walkGrowth = 25;

/**
 * Where the frames of a blob lie. What has been found out once is known; then study-index is asked; what it does not know,
 * or cannot say (deflated and big-endian objects), the object's own header says.
 */
export class FrameLayouts {
  readonly #ahead: SeriesAhead;

  constructor(
    private readonly kept: KeptInstances,
    private readonly index: Pick<StudyIndexReader, 'frames'>,
    series: SeriesFrames,
    private readonly cache: LayoutCache,
  ) {
    this.#ahead = new SeriesAhead(series, (blobKey, located) => {
      const layout = layoutOf(located, [1]);
      if (layout) cache.learn(blobKey, { layout });
    });
  }

  /**
   * @param numbers of frames, from 1; empty: all of them
   * @returns a layout that has all of these frames
   * @throws {NotFoundError} when it has no such frame, or no pixels that frames can be told from
   * @throws {IndexBehindError} {TooLargeError} {MemoryTakenError} {RetrieveEndedError}
   */
  async of(instance: KeptInstance, numbers: readonly number[], memory: RetrieveMemory): Promise<PixelLayout> {
    const known = this.cache.get(instance.blobKey)?.layout;
    if (known && hasAll(known, numbers)) return having(known, numbers);
    const layout =
      (await this.#indexed(instance, numbers, memory)) ?? (await this.#fromHeader(instance, memory)).layout;
    if (!layout) throw new NotFoundError('pixel data');
    return having(layout, numbers);
  }

  /** What the header says of the pixels, checked. @throws {NotFoundError} {MemoryTakenError} {RetrieveEndedError} */
  async element(instance: KeptInstance, memory: RetrieveMemory): Promise<PixelElement> {
    const known = this.cache.get(instance.blobKey)?.element;
    if (known) return known;
    const read = (header: ParsedHeader): KnownPixels => {
      const element = elementOf(header);
      // Of native pixels the header says all there is to know.
      const layout = header.pixelData?.byteCount === undefined ? undefined : nativeOf(header, element);
      return this.cache.learn(instance.blobKey, layout ? { element, layout } : { element });
    };
    const { element } = await withHeader(this.kept, instance, memory, read);
    if (!element) throw new NotFoundError('pixel data');
    return element;
  }

  /** Undefined where the index does not know this very blob, or its frames are no ranges of it. */
  async #indexed(
    instance: KeptInstance,
    numbers: readonly number[],
    memory: RetrieveMemory,
  ): Promise<PixelLayout | undefined> {
    const { bigEndian, deflated, encapsulated } = transferSyntaxOf(instance.transferSyntaxUid);
    if (bigEndian || deflated) return undefined;
    const asked = encapsulated ? withThoseAhead(numbers) : numbers;
    const located = await this.#ask(instance, asked, memory.signal);
    if (!located) {
      // Without it each of its fragments has to be looked at.
      if (encapsulated && instance.byteCount * walkCopies > memory.bytesMax) throw new IndexBehindError();
      return undefined;
    }
    const layout = layoutOf(located, asked);
    if (!layout) {
      if (encapsulated && instance.byteCount * walkCopies > memory.bytesMax) throw tooLarge();
      return undefined;
    }
    if (located.image?.frames === 1) this.#ahead.missed(instance);
    return this.cache.learn(instance.blobKey, { layout }).layout;
  }

  /** An index that does not answer says no more than one that does not know: what was acknowledged is there without it. */
  async #ask(
    instance: KeptInstance,
    numbers: readonly number[],
    signal: AbortSignal,
  ): Promise<LocatedFrames | undefined> {
    try {
      return await this.index.frames(instance, numbers, signal);
    } catch (error) {
      if (isIndexAway(error)) return undefined;
      throw error;
    }
  }

  async #fromHeader(instance: KeptInstance, memory: RetrieveMemory): Promise<KnownPixels> {
    return withHeader(this.kept, instance, memory, async (header, read) => {
      const element = elementOf(header);
      if (header.pixelData?.byteCount !== undefined)
        return this.cache.learn(instance.blobKey, { element, layout: nativeOf(header, element) });
      await memory.hold(Math.min(memory.bytesMax, instance.byteCount * walkGrowth));
      const layout = await walked(header, read);
      await memory.hold(0);
      return this.cache.learn(instance.blobKey, { element, layout });
    });
  }
}

const tooLarge = (): TooLargeError =>
  new TooLargeError('frames of this object cannot be told apart: retrieve the instance with transfer-syntax=*');

/** Those asked for, and the ones behind the last of them. */
function withThoseAhead(numbers: readonly number[]): readonly number[] {
  if (numbers.length === 0) return numbers;
  const last = Math.max(...numbers);
  const ahead = Array.from({ length: Math.min(aheadFrames, locatedMax - numbers.length) }, (_, i) => last + 1 + i);
  return [...numbers, ...ahead];
}

/** @param asked numbers of the frames that it was asked for; empty: all. Undefined when it does not say where they lie */
function layoutOf(located: LocatedFrames, asked: readonly number[]): PixelLayout | undefined {
  const { image, encapsulated, nativeOffset, nativeFrameBytes, nativeByteCount } = located;
  if (encapsulated) {
    const numbers = asked.length > 0 ? asked : located.frames.map((_, i) => i + 1);
    const found = numbers.map((number, i) => [number, located.frames[i] ?? []] as const);
    return { encapsulated, frames: framesOf(found), isWhole: asked.length === 0 };
  }
  if (!image || nativeFrameBytes === 0 || nativeFrameBytes !== Math.ceil(nativeFrameBits(image) / 8)) return undefined;
  // An index of a version before: what is learned is kept, and behind the end are other elements.
  if (nativeByteCount === 0) return undefined;
  return { encapsulated, image, offset: nativeOffset, byteCount: nativeByteCount, wordBytes: 1 };
}

/** Without those that are not there. */
const framesOf = (all: Iterable<readonly [number, Ranges]>): EncapsulatedLayout['frames'] =>
  new Map([...all].filter(([, ranges]) => ranges.some(({ length }) => length > 0)));
type Ranges = readonly { readonly offset: number; readonly length: number }[];

function elementOf({ pixelData, dataset }: ParsedHeader): PixelElement {
  if (!pixelData) throw new NotFoundError('pixel data');
  const { tag, vr, byteCount } = pixelData;
  return { image: orNotFound(() => imagePixel(dataset)), tag, vr, isNative: byteCount !== undefined };
}

function nativeOf(
  { pixelData, transferSyntax, datasetOffset }: ParsedHeader,
  { image, vr }: PixelElement,
): NativeLayout {
  return {
    encapsulated: false,
    image,
    offset: pixelData?.offset ?? 0,
    byteCount: pixelData?.byteCount ?? 0,
    wordBytes: transferSyntax.bigEndian ? wordBytesOf(vr) : 1,
    ...(transferSyntax.deflated ? { deflatedFrom: datasetOffset } : {}),
  };
}

async function walked(header: ParsedHeader, read: RangeReader): Promise<EncapsulatedLayout> {
  try {
    const { frames } = await readPixelDataLayout(header, read);
    const found = frames.map(
      (fragments, i) => [i + 1, fragments.map(({ offset, byteCount }) => ({ offset, length: byteCount }))] as const,
    );
    return { encapsulated: true, frames: framesOf(found), isWhole: true };
  } catch (error) {
    throw notFoundInstead(error);
  }
}

function orNotFound<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw notFoundInstead(error);
  }
}

/** The object was taken as it is: that no frame can be told from its bytes is no fault of who asks for one. */
const notFoundInstead = (error: unknown): unknown =>
  error instanceof DicomPixelError ? new NotFoundError('a frame that could be told from the pixel data') : error;

/** Whether nothing more has to be asked to say where these frames are, or that they are not there. */
function hasAll(layout: PixelLayout, numbers: readonly number[]): boolean {
  if (!layout.encapsulated || layout.isWhole) return true;
  return numbers.length > 0 && numbers.every((number) => layout.frames.has(number));
}

/**
 * The frames asked for, of those known: what is known comes and goes while they are read.
 * @param numbers empty: all of them
 * @throws {NotFoundError} for a frame that is not there, before anything of another is read
 */
function having(layout: PixelLayout, numbers: readonly number[]): PixelLayout {
  const absent = numbers.find((number) =>
    layout.encapsulated ? !layout.frames.has(number) : number > layout.image.frames,
  );
  if (absent !== undefined) throw new NotFoundError(`frame ${String(absent)}`);
  if (!layout.encapsulated || numbers.length === 0) return layout;
  const frames = new Map(numbers.map((number) => [number, layout.frames.get(number) ?? []] as const));
  return { ...layout, frames, isWhole: false };
}
