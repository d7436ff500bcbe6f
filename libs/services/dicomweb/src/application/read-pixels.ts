import { Readable } from 'node:stream';

import type { imaging } from '@callosum/contracts';
import { type DicomDataset, imagePixel, nativeFrameBits, pixelDataLayout, transferSyntaxOf } from '@callosum/dicom';

import { BadRequestError, IndexBehindError, NotFoundError } from '../domain/errors.js';
import { nativeFrame, readFrameList } from '../domain/frames.js';
import type { KeptInstance, KeptInstances, RetrieveMemory, Selection, StudyIndexReader } from './ports.js';
import { holdFile, mayBeHeld, readHeader, streamOf } from './stored-file.js';

/** A frame, or a bulk value. */
export interface PixelBody {
  /** Called once, in the order of the bodies. */
  open(): Promise<Readable>;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** An object, and a frame or value cut out of it. */
const heldCopies = 2;
const pixelDataTags: ReadonlySet<string> = new Set(['7FE00008', '7FE00009', '7FE00010']);

/**
 * Frames and bulk data of one instance (PS3.18 10.4.1.1.4, 10.4.1.1.5). What is a range of the blob is streamed; the
 * whole object is held only where it is not, or where nobody knows the range yet.
 */
export class ReadPixels {
  constructor(
    private readonly kept: KeptInstances,
    private readonly index: StudyIndexReader,
  ) {}

  /** @throws {NotFoundError} */
  async instance(selection: Required<Selection>): Promise<KeptInstance> {
    const [instance] = await this.kept.locate(selection);
    if (!instance) throw new NotFoundError('the instance');
    return instance;
  }

  /**
   * Each frame, in the order asked. Native frames are little-endian.
   * @throws {BadRequestError} {NotFoundError} {TooLargeError} {IndexBehindError}
   */
  async *frames(instance: KeptInstance, list: string, memory: RetrieveMemory): AsyncGenerator<PixelBody> {
    const numbers = readFrameList(list);
    const layout = await this.index.pixelData(instance, memory.signal);
    if (layout && (await this.#areRanges(instance, layout, numbers, memory)))
      yield* this.#byRange(instance, layout, numbers, memory);
    else yield* this.#fromBlob(instance, numbers, memory, layout !== undefined);
  }

  /**
   * The values a bulk attribute is sent as: one, or one a frame for compressed Pixel Data. `path` as in BulkDataURI.
   * @throws {BadRequestError} {NotFoundError} {TooLargeError} {IndexBehindError}
   */
  async bulkData(instance: KeptInstance, path: string, memory: RetrieveMemory): Promise<readonly PixelBody[]> {
    if (!/^[0-9A-F]{8}(\/\d{1,6}\/[0-9A-F]{8}){0,16}$/i.test(path))
      throw new BadRequestError('the path names no attribute');
    const steps = path.toUpperCase().split('/');
    const { encapsulated } = transferSyntaxOf(instance.transferSyntaxUid);
    if (steps.length === 1 && pixelDataTags.has(path.toUpperCase()) && encapsulated) {
      const layout = await this.index.pixelData(instance, memory.signal);
      if (layout?.encapsulated) return layout.frames.map((frame) => this.#body(instance, fragmentsOf(frame), memory));
      if (!layout && !mayBeHeld(instance, memory, heldCopies)) throw new IndexBehindError();
    } else {
      const found = await this.#fromHeader(instance, steps, memory);
      if (found) return [found];
    }
    return this.#bulkFromBlob(instance, steps, memory);
  }

  /** Undefined when the value is not in the header, nor Pixel Data behind it as the blob has it. */
  async #fromHeader(
    instance: KeptInstance,
    steps: readonly string[],
    memory: RetrieveMemory,
  ): Promise<PixelBody | undefined> {
    const header = await readHeader(this.kept, instance, memory);
    if (!header) return undefined;
    const { pixelData, transferSyntax } = header;
    if (pixelData && steps.length === 1 && steps[0] === pixelData.tag) {
      const { offset, byteCount } = pixelData;
      const asStored = byteCount !== undefined && !transferSyntax.bigEndian;
      return asStored ? this.#body(instance, [{ offset, length: byteCount }], memory) : undefined;
    }
    const value = valueAt(header.dataset, steps);
    return value && { open: () => Promise.resolve(streamOf(value)) };
  }

  async #bulkFromBlob(
    instance: KeptInstance,
    steps: readonly string[],
    memory: RetrieveMemory,
  ): Promise<readonly PixelBody[]> {
    const file = await holdFile(this.kept, instance, memory, heldCopies);
    if (steps.length === 1 && steps[0] === file.pixelData?.tag && file.transferSyntax.encapsulated) {
      return pixelDataLayout(file).frames.map((ranges) => heldBody(file.bytes, ranges));
    }
    const value = valueAt(file.dataset, steps);
    if (!value) throw new NotFoundError('the attribute');
    return [{ open: () => Promise.resolve(streamOf(value)) }];
  }

  /**
   * False for frames that are no range of the blob: of deflated and big-endian objects, and those that begin inside a
   * byte. Also where the index cannot say how many native frames there are: a range past the last one is other bytes.
   * @throws {NotFoundError} when there are not so many
   */
  async #areRanges(
    instance: KeptInstance,
    layout: imaging.PixelDataLayout,
    numbers: readonly number[],
    { signal }: RetrieveMemory,
  ): Promise<boolean> {
    const { bigEndian, deflated } = transferSyntaxOf(instance.transferSyntaxUid);
    if (bigEndian || deflated) return false;
    const last = Math.max(...numbers);
    if (layout.encapsulated || last === 1) return true;
    for await (const { dicomJson } of this.index.metadata(instance, signal)) {
      const dataset = JSON.parse(dicomJson) as Record<string, { readonly Value?: readonly unknown[] } | undefined>;
      const number = (tag: string): number => Number(dataset[tag]?.Value?.[0] ?? Number.NaN);
      const [frames, bitsAllocated] = [number('00280008'), number('00280100')];
      return bitsAllocated >= 8 && last <= frames;
    }
    return false;
  }

  *#byRange(
    instance: KeptInstance,
    layout: imaging.PixelDataLayout,
    numbers: readonly number[],
    memory: RetrieveMemory,
  ): Generator<PixelBody> {
    const length = Number(layout.nativeFrameBytes);
    for (const number of numbers) {
      const ranges = layout.encapsulated
        ? fragmentsOf(layout.frames[number - 1])
        : [{ offset: Number(layout.nativeOffset) + (number - 1) * length, length }];
      const byteCount = ranges.reduce((sum, range) => sum + range.length, 0);
      const isThere = ranges.every((range) => range.offset + range.length <= instance.byteCount);
      if (byteCount === 0 || !isThere) throw new NotFoundError(`frame ${number}`);
      yield this.#body(instance, ranges, memory);
    }
  }

  async *#fromBlob(
    instance: KeptInstance,
    numbers: readonly number[],
    memory: RetrieveMemory,
    indexed: boolean,
  ): AsyncGenerator<PixelBody> {
    if (!indexed && !mayBeHeld(instance, memory, heldCopies)) throw new IndexBehindError();
    const file = await holdFile(this.kept, instance, memory, heldCopies);
    if (!file.pixelData) throw new NotFoundError('pixel data');
    const { encapsulated, frames } = pixelDataLayout(file);
    const image = imagePixel(file.dataset);
    const value = file.dataset.bytes(file.pixelData.tag) ?? new Uint8Array();
    for (const number of numbers) {
      const ranges = frames[number - 1];
      const native = (): Uint8Array | undefined =>
        number > image.frames ? undefined : nativeFrame(value, number, nativeFrameBits(image));
      const frame = encapsulated ? ranges && heldBody(file.bytes, ranges) : bodyOf(native());
      if (!frame) throw new NotFoundError(`frame ${number}`);
      yield frame;
    }
  }

  /** Ranges of the blob, one after the other: each is read when the one before it has been taken. */
  #body(instance: KeptInstance, ranges: readonly Range[], { signal }: RetrieveMemory): PixelBody {
    const read = (range: Range): Promise<Readable> => this.kept.open(instance.blobKey, signal, range);
    return {
      open: async () => {
        const [range, ...rest] = ranges;
        if (!range) return Readable.from([]);
        // At once: a blob that cannot be read is known before the answer begins.
        const first = await read(range);
        if (rest.length === 0) return first;
        const all = async function* (): AsyncGenerator<Uint8Array> {
          yield* first as AsyncIterable<Uint8Array>;
          for (const range of rest) yield* (await read(range)) as AsyncIterable<Uint8Array>;
        };
        return Readable.from(all(), { objectMode: false }).once('close', () => first.destroy());
      },
    };
  }
}

const fragmentsOf = (frame: imaging.FrameFragments | undefined): Range[] =>
  (frame?.fragments ?? []).map(({ offset, byteCount }) => ({ offset: Number(offset), length: Number(byteCount) }));

/** Tags and item numbers, as `toDicomJson` names a value. */
function valueAt(of: DicomDataset, steps: readonly string[]): Uint8Array | undefined {
  let dataset: DicomDataset | undefined = of;
  for (let step = 0; step + 2 < steps.length; step += 2) {
    dataset = dataset?.sequence(steps[step] ?? '')[Number(steps[step + 1])];
  }
  return dataset?.bytes(steps.at(-1) ?? '');
}

const bodyOf = (bytes: Uint8Array | undefined): PixelBody | undefined =>
  bytes && { open: () => Promise.resolve(streamOf(bytes)) };

const heldBody = (
  bytes: Uint8Array,
  ranges: readonly { readonly offset: number; readonly byteCount: number }[],
): PixelBody => ({
  open: () =>
    Promise.resolve(streamOf(...ranges.map(({ offset, byteCount }) => bytes.subarray(offset, offset + byteCount)))),
});
