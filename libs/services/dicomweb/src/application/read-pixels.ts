import { buffer } from 'node:stream/consumers';

import type { imaging } from '@callosum/contracts';
import {
  type DicomDataset,
  imagePixel,
  nativeFrameBits,
  parseFile,
  pixelDataLayout,
  transferSyntaxOf,
} from '@callosum/dicom';

import { BadRequestError, NotFoundError } from '../domain/errors.js';
import { nativeFrame, readFrameList } from '../domain/frames.js';
import type { KeptInstance, KeptInstances, Selection, StudyIndexReader } from './ports.js';

/** Frames and bulk data of one instance (PS3.18 10.4.1.1.4, 10.4.1.1.5). */
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

  /** The bytes of each frame, in the order asked. Native frames are little-endian. @throws {BadRequestError} @throws {NotFoundError} */
  async *frames(instance: KeptInstance, list: string): AsyncGenerator<Uint8Array> {
    const numbers = readFrameList(list);
    const layout = await this.index.pixelData(instance);
    if (layout && (await this.#areRanges(instance, layout, numbers))) yield* this.#byRange(instance, layout, numbers);
    else yield* this.#fromBlob(instance, numbers);
  }

  /**
   * The values a bulk attribute is sent as: one, or one a frame for compressed Pixel Data. `path` as in BulkDataURI.
   * @throws {NotFoundError}
   */
  async bulkData(instance: KeptInstance, path: string): Promise<readonly Uint8Array[]> {
    if (!/^[0-9A-F]{8}(\/\d{1,6}\/[0-9A-F]{8}){0,16}$/i.test(path))
      throw new BadRequestError('the path names no attribute');
    const file = parseFile(await buffer(await this.kept.open(instance.blobKey)));
    const steps = path.toUpperCase().split('/');
    const tag = steps.at(-1) ?? '';
    if (steps.length === 1 && tag === file.pixelData?.tag && file.transferSyntax.encapsulated) {
      return pixelDataLayout(file).frames.map((ranges) => joined(file.bytes, ranges));
    }
    let dataset: DicomDataset | undefined = file.dataset;
    for (let step = 0; step + 2 < steps.length; step += 2) {
      dataset = dataset?.sequence(steps[step] ?? '')[Number(steps[step + 1])];
    }
    const value = dataset?.bytes(tag);
    if (!value) throw new NotFoundError('the attribute');
    return [value];
  }

  /**
   * False for frames that are no range of the blob: of deflated and big-endian objects, and those that begin inside a
   * byte. Also where the index cannot say how many native frames there are: a range past the last one is other bytes.
   */
  async #areRanges(
    instance: KeptInstance,
    layout: imaging.PixelDataLayout,
    numbers: readonly number[],
  ): Promise<boolean> {
    const { bigEndian, deflated } = transferSyntaxOf(instance.transferSyntaxUid);
    if (bigEndian || deflated) return false;
    const last = Math.max(...numbers);
    if (layout.encapsulated || last === 1) return true;
    for await (const { dicomJson } of this.index.metadata(instance)) {
      const dataset = JSON.parse(dicomJson) as Record<string, { readonly Value?: readonly unknown[] } | undefined>;
      const number = (tag: string): number => Number(dataset[tag]?.Value?.[0] ?? Number.NaN);
      const [frames, bitsAllocated] = [number('00280008'), number('00280100')];
      return bitsAllocated >= 8 && last <= frames;
    }
    return false;
  }

  async *#byRange(
    instance: KeptInstance,
    layout: imaging.PixelDataLayout,
    numbers: readonly number[],
  ): AsyncGenerator<Uint8Array> {
    const nativeFrameBytes = Number(layout.nativeFrameBytes);
    for (const number of numbers) {
      const ranges = layout.encapsulated
        ? (layout.frames[number - 1]?.fragments ?? []).map(({ offset, byteCount }) => ({
            offset: Number(offset),
            length: Number(byteCount),
          }))
        : [{ offset: Number(layout.nativeOffset) + (number - 1) * nativeFrameBytes, length: nativeFrameBytes }];
      const parts: Uint8Array[] = [];
      for (const range of ranges) parts.push(await buffer(await this.kept.open(instance.blobKey, range)));
      const frame = Buffer.concat(parts);
      if (frame.length === 0) throw new NotFoundError(`frame ${number}`);
      yield frame;
    }
  }

  async *#fromBlob(instance: KeptInstance, numbers: readonly number[]): AsyncGenerator<Uint8Array> {
    const file = parseFile(await buffer(await this.kept.open(instance.blobKey)));
    if (!file.pixelData) throw new NotFoundError('pixel data');
    const { encapsulated, frames } = pixelDataLayout(file);
    const image = imagePixel(file.dataset);
    const value = file.dataset.bytes(file.pixelData.tag) ?? new Uint8Array();
    for (const number of numbers) {
      const ranges = frames[number - 1];
      const native = (): Uint8Array | undefined =>
        number > image.frames ? undefined : nativeFrame(value, number, nativeFrameBits(image));
      const frame = encapsulated ? ranges && joined(file.bytes, ranges) : native();
      if (!frame) throw new NotFoundError(`frame ${number}`);
      yield frame;
    }
  }
}

const joined = (
  bytes: Uint8Array,
  ranges: readonly { readonly offset: number; readonly byteCount: number }[],
): Uint8Array => Buffer.concat(ranges.map(({ offset, byteCount }) => bytes.subarray(offset, offset + byteCount)));
