import { Readable } from 'node:stream';

import {
  type DicomDataset,
  type DicomElement,
  DicomParseError,
  ExplicitVRLittleEndian,
  isEncapsulated,
  nativeFrameBits,
  type ParsedHeader,
  type RangeReader,
  readItems,
  wordBytesOf,
} from '@callosum/dicom';

import { isDocument } from '../domain/bulk-path.js';
import { NotFoundError, TooLargeError } from '../domain/errors/door.js';
import { BrokenObjectError } from '../domain/errors/retrieve.js';
import { NotRenderableError } from '../domain/errors/rendering.js';
import { choicesOfNative, type FrameChoice, frameNotAcceptable, valueNotAcceptable } from '../domain/frame-choices.js';
import { joinedFrames } from '../domain/frames.js';
import { pdf } from '../domain/picture-choices.js';
import { rangesOfPart } from '../domain/range.js';
import { pdfIn, saysPdf } from './encapsulated-pdf.js';
import type { FrameLayouts } from './frame-layouts.js';
import { littleEndian } from './native-frames.js';
import { openRanges } from './open-ranges.js';
import type { ByteRange, KeptInstance, KeptInstances } from './ports/archive.js';
import type { RetrieveMemory } from './ports/memory.js';
import type { ChosenBodies, PixelBody, ReadFrames } from './read-frames.js';
import { streamOf, withHeader } from './stored-file.js';

/** Values shorter than this are not counted as held: most are an icon or a lookup table. */
const uncountedBytesMax = 64 * 1024;
/** Frames that are listed for one answer; more are asked for by their numbers. */
const framesMax = 65_536;
/** Fragments of an icon: it has one. */
const iconFragmentsMax = 1_024;
const undefinedLength = 0xffffffff;
const pixelDataTag = '7FE00010';

/**
 * Bulk data of one instance (PS3.18 10.4.1.1.5): values that are ranges of the blob are streamed, those of a header's size
 * are held. Values leave little-endian.
 */
export class ReadBulk {
  constructor(
    private readonly kept: KeptInstances,
    private readonly layouts: FrameLayouts,
    private readonly frames: ReadFrames,
  ) {}

  /**
   * Any attribute but the pixels, in the first form that it can be had in: a document that is no PDF is octets only.
   * @param choices best first, as `valueChoices` has them
   * @throws {NotFoundError} {NotAcceptableError} {MemoryTakenError} {RetrieveEndedError}
   */
  async chosenValue(
    instance: KeptInstance,
    steps: readonly string[],
    choices: readonly FrameChoice[],
    memory: RetrieveMemory,
  ): Promise<ChosenBodies> {
    for (const choice of choices) {
      const isPdf = choice.mediaType === pdf;
      const first = isPdf ? await this.#pdf(instance, memory) : await this.value(instance, steps, memory);
      if (first) return { choice, first, rest: nothing(), count: 1, asStored: true };
    }
    throw valueNotAcceptable(isDocument(steps));
  }

  /** The PDF in an object, without its padding: undefined where it is none. @throws {NotFoundError} without a document */
  #pdf(instance: KeptInstance, memory: RetrieveMemory): Promise<PixelBody | undefined> {
    return withHeader(this.kept, instance, memory, async (header, read) => {
      if (!header.dataset.element('EncapsulatedDocument')) throw new NotFoundError('the attribute');
      if (!saysPdf(header)) return undefined;
      try {
        return this.#ranges(instance, header, [await pdfIn(header, read)], 'OB', memory);
      } catch (error) {
        if (error instanceof NotRenderableError) return undefined;
        throw error;
      }
    });
  }

  /** As octets. @throws {NotFoundError} {MemoryTakenError} {RetrieveEndedError} */
  async value(instance: KeptInstance, steps: readonly string[], memory: RetrieveMemory): Promise<PixelBody> {
    const found = await withHeader(this.kept, instance, memory, async (header, read) => {
      const element = await elementAt(header, read, instance.byteCount, steps);
      // A sequence is no bulk data, one that is too long for the header neither.
      if (!element || element.vr === 'SQ') throw new NotFoundError('the attribute');
      const { notLoaded, range, value, vr } = element;
      const fragments = element.fragments?.slice(1) ?? (await iconFragments(element, read));
      if (fragments) return this.#ranges(instance, header, fragments.map(rangeOf), 'OB', memory);
      if (notLoaded === true) return this.#ranges(instance, header, [rangeOf(range)], vr, memory);
      // A copy: the header, of which it is a part, is let go.
      return Buffer.from(value);
    });
    if (!Buffer.isBuffer(found)) return found;
    if (found.length > uncountedBytesMax) await memory.hold(Math.min(found.length, memory.bytesMax));
    return { byteCount: found.length, ranged: true, open: (part) => Promise.resolve(streamOf(cut(found, part))) };
  }

  /**
   * All of Pixel Data, in the first form that it can be had in: octets are one value, code streams one a frame.
   * @param tag of Pixel Data, or of floating-point pixels
   * @param choices best first
   * @throws {NotFoundError} {NotAcceptableError} {IndexBehindError} {TooLargeError} {MemoryTakenError} {RetrieveEndedError}
   */
  async pixelData(
    instance: KeptInstance,
    tag: string,
    choices: readonly FrameChoice[],
    memory: RetrieveMemory,
  ): Promise<ChosenBodies> {
    const { transferSyntaxUid: stored } = instance;
    if (!isEncapsulated(stored)) return this.#native(instance, tag, choices, memory);
    const { isNative, frames } = await this.#stated(instance, memory);
    if (isNative) return this.#native(instance, tag, choicesOfNative(choices, stored), memory);
    if (tag !== pixelDataTag) throw new NotFoundError('the attribute');
    // Before half a million frames are located to be told so.
    assertNotTooMany(frames);
    return this.#encapsulated(instance, choices, memory);
  }

  async #native(
    instance: KeptInstance,
    tag: string,
    choices: readonly FrameChoice[],
    memory: RetrieveMemory,
  ): Promise<ChosenBodies> {
    const value = await withHeader(this.kept, instance, memory, (header) => {
      const { pixelData } = header;
      if (pixelData?.tag !== tag || pixelData.byteCount === undefined) throw new NotFoundError('the attribute');
      const range = { offset: pixelData.offset, length: pixelData.byteCount };
      return this.#ranges(instance, header, [range], pixelData.vr, memory);
    });
    const [best] = choices;
    if (best && !isOctets(best)) {
      const layout = await this.layouts.of(instance, [], memory);
      // Of more than one nobody knows where the next begins.
      if (!layout.encapsulated && layout.image.frames === 1) return this.frames.read(instance, [1], choices, memory);
    }
    const choice = choices.find(isOctets);
    if (!choice) throw frameNotAcceptable(instance.transferSyntaxUid);
    return { choice, first: value, rest: nothing(), count: 1, asStored: true };
  }

  async #encapsulated(
    instance: KeptInstance,
    choices: readonly FrameChoice[],
    memory: RetrieveMemory,
  ): Promise<ChosenBodies> {
    const layout = await this.layouts.of(instance, [], memory);
    const numbers = layout.encapsulated ? [...layout.frames.keys()] : [];
    assertNotTooMany(numbers.length);
    // Several code streams are several parts.
    const possible = choices.filter((choice) => numbers.length === 1 || isOctets(choice) || choice.multipart);
    const chosen = await this.frames.read(instance, numbers, possible, memory, layout);
    if (chosen.asStored || numbers.length === 1 || !isOctets(chosen.choice)) return chosen;
    return { ...chosen, first: await this.#decoded(instance, chosen, memory), rest: nothing(), count: 1 };
  }

  /**
   * Whether the pixels are a value, whatever the transfer syntax would have, and Number of Frames (0028,0008): 0 where the
   * header does not say it, which bytes as they are stored do not need.
   */
  async #stated(instance: KeptInstance, memory: RetrieveMemory): Promise<{ isNative: boolean; frames: number }> {
    try {
      const { isNative, image } = await this.layouts.element(instance, memory);
      return { isNative, frames: image.frames };
    } catch (error) {
      // Frames that the index has found need no header.
      if (error instanceof BrokenObjectError) return { isNative: false, frames: 0 };
      if (!(error instanceof NotFoundError)) throw error;
    }
    const isNative = await withHeader(
      this.kept,
      instance,
      memory,
      ({ pixelData }) => pixelData?.byteCount !== undefined,
    );
    return { isNative, frames: 0 };
  }

  /** Decoded frames as one value (PS3.5 8.1.1), made one after the other. */
  async #decoded(
    instance: KeptInstance,
    { first, rest, count }: ChosenBodies,
    memory: RetrieveMemory,
  ): Promise<PixelBody> {
    const { image } = await this.layouts.element(instance, memory);
    // Decoded chroma takes more than the image says.
    const frameBits = image.bitsAllocated < 8 ? nativeFrameBits(image) : first.byteCount * 8;
    const frames = async function* (): AsyncGenerator<AsyncIterable<Uint8Array>> {
      yield (await first.open()) as AsyncIterable<Uint8Array>;
      for await (const frame of rest) yield (await frame.open()) as AsyncIterable<Uint8Array>;
    };
    const open = (): Promise<Readable> =>
      Promise.resolve(Readable.from(joinedFrames(frames(), frameBits), { objectMode: false }));
    return { byteCount: Math.ceil((frameBits * count) / 8), ranged: false, open };
  }

  /** Ranges of the blob, or of its inflated dataset, as one value. @param vr which says how long its words are */
  #ranges(
    instance: KeptInstance,
    { transferSyntax, datasetOffset }: ParsedHeader,
    ranges: readonly ByteRange[],
    vr: string,
    { signal }: RetrieveMemory,
  ): PixelBody {
    const byteCount = ranges.reduce((sum, { length }) => sum + length, 0);
    const wordBytes = transferSyntax.bigEndian ? wordBytesOf(vr) : 1;
    const deflatedFrom = transferSyntax.deflated ? { deflatedFrom: datasetOffset } : {};
    const [only, ...others] = ranges;
    if (only && others.length === 0 && (wordBytes > 1 || transferSyntax.deflated))
      return {
        byteCount,
        ranged: false,
        open: () => littleEndian(this.kept, instance, { wordBytes, ...deflatedFrom }, only, signal),
      };
    return {
      byteCount,
      ranged: true,
      open: (part) => openRanges(this.kept, instance, part ? rangesOfPart(ranges, part) : ranges, signal),
    };
  }
}

function assertNotTooMany(frames: number): void {
  if (frames > framesMax)
    throw new TooLargeError(`Pixel Data of more than ${String(framesMax)} frames is given frame by frame`);
}

const rangeOf = ({ offset, byteCount }: { readonly offset: number; readonly byteCount: number }): ByteRange => ({
  offset,
  length: byteCount,
});

const isOctets = ({ transferSyntaxUid }: FrameChoice): boolean => transferSyntaxUid === ExplicitVRLittleEndian;

async function* nothing(): AsyncGenerator<never> {}

const cut = (value: Uint8Array, part: { readonly first: number; readonly last: number } | undefined): Uint8Array =>
  part ? value.subarray(part.first, part.last + 1) : value;

/**
 * Tags and item numbers, as `toDicomJson` names a value. An item of a sequence that the header was read without is read.
 * @throws {TooLargeError} where it is too long to be
 */
async function elementAt(
  header: ParsedHeader,
  read: RangeReader,
  fileBytes: number,
  steps: readonly string[],
): Promise<DicomElement | undefined> {
  const [tag = '', number, ...inItem] = steps;
  if (number === undefined || header.dataset.element(tag)?.notLoaded !== true) return elementIn(header.dataset, steps);
  try {
    const wanted = new Map([[tag, new Set([Number(number)])]]);
    for await (const { item } of readItems(header, read, fileBytes, wanted)) return elementIn(item, inItem);
    return undefined;
  } catch (error) {
    if (error instanceof DicomParseError)
      throw new TooLargeError('the item with the value is too long: retrieve the instance');
    throw error;
  }
}

function elementIn(of: DicomDataset, steps: readonly string[]): DicomElement | undefined {
  let dataset: DicomDataset | undefined = of;
  for (let step = 0; step + 2 < steps.length; step += 2)
    dataset = dataset?.sequence(steps[step] ?? '')[Number(steps[step + 1])];
  return dataset?.element(steps.at(-1) ?? '');
}

/**
 * Fragments of encapsulated pixels in a sequence whose items were passed over with the header (PS3.5 A.4): undefined for
 * any other element. @throws {NotFoundError} where they are none
 */
async function iconFragments(
  { notLoaded, range }: DicomElement,
  read: RangeReader,
): Promise<readonly { readonly offset: number; readonly byteCount: number }[] | undefined> {
  if (notLoaded !== true || range.byteCount !== undefinedLength) return undefined;
  const fragments: { offset: number; byteCount: number }[] = [];
  for (let at = range.offset; fragments.length <= iconFragmentsMax;) {
    const head = Buffer.from(await read(at, 8));
    if (head.length < 8) break;
    const tag = head.readUInt16LE(0) * 0x10000 + head.readUInt16LE(2);
    if (tag === 0xfffee0dd) return fragments.slice(1);
    if (tag !== 0xfffee000) break;
    const byteCount = head.readUInt32LE(4);
    fragments.push({ offset: at + 8, byteCount });
    at += 8 + byteCount;
  }
  throw new NotFoundError('a value that could be told from the attribute');
}
