import { buffer } from 'node:stream/consumers';

import type { imaging } from '@callosum/contracts';
import { type DicomDataset, parseFile, pixelDataLayout } from '@callosum/dicom';

import { BadRequestError, NotFoundError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances, Selection, StudyIndexReader } from './ports.js';

/** Frames of one request: a viewer asks for some, a client that wants all takes the instance. */
const framesMax = 1_000;

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
    if (layout && !needsWholeObject(instance.transferSyntaxUid)) yield* this.#byRange(instance, layout, numbers);
    else yield* this.#fromBlob(instance, numbers);
  }

  /** The value of a bulk attribute; of Pixel Data all frames. `path` as in BulkDataURI. @throws {NotFoundError} */
  async bulkData(instance: KeptInstance, path: string): Promise<Uint8Array> {
    if (!/^[0-9A-F]{8}(\/\d{1,6}\/[0-9A-F]{8}){0,16}$/i.test(path)) throw new BadRequestError('the path names no attribute');
    const file = parseFile(await buffer(await this.kept.open(instance.blobKey)));
    let dataset: DicomDataset | undefined = file.dataset;
    const steps = path.toUpperCase().split('/');
    for (let step = 0; step + 2 < steps.length; step += 2) {
      dataset = dataset?.sequence(steps[step] ?? '')[Number(steps[step + 1])];
    }
    const tag = steps.at(-1) ?? '';
    const bytes = tag === file.pixelData?.tag && file.transferSyntax.encapsulated ? undefined : dataset?.bytes(tag);
    if (bytes) return bytes;
    if (tag !== file.pixelData?.tag) throw new NotFoundError('the attribute');
    const layout = pixelDataLayout(file);
    return Buffer.concat(layout.frames.flat().map(({ offset, byteCount }) => file.bytes.subarray(offset, offset + byteCount)));
  }

  async *#byRange(instance: KeptInstance, layout: imaging.PixelDataLayout, numbers: readonly number[]): AsyncGenerator<Uint8Array> {
    for (const number of numbers) {
      const ranges = layout.encapsulated
        ? (layout.frames[number - 1]?.fragments ?? []).map(({ offset, byteCount }) => ({ offset: Number(offset), length: Number(byteCount) }))
        : [{ offset: Number(layout.nativeOffset) + (number - 1) * Number(layout.nativeFrameBytes), length: Number(layout.nativeFrameBytes) }];
      if (ranges.length === 0) throw new NotFoundError(`frame ${number}`);
      const parts: Uint8Array[] = [];
      for (const range of ranges) parts.push(await buffer(await this.kept.open(instance.blobKey, range)));
      const frame = Buffer.concat(parts);
      if (frame.length === 0) throw new NotFoundError(`frame ${number}`);
      yield frame;
    }
  }

  async *#fromBlob(instance: KeptInstance, numbers: readonly number[]): AsyncGenerator<Uint8Array> {
    const file = parseFile(await buffer(await this.kept.open(instance.blobKey)));
    const layout = pixelDataLayout(file);
    for (const number of numbers) {
      const ranges = layout.encapsulated
        ? (layout.frames[number - 1] ?? [])
        : [{ offset: layout.nativeOffset + (number - 1) * layout.nativeFrameBytes, byteCount: layout.nativeFrameBytes }];
      const frame = Buffer.concat(ranges.map(({ offset, byteCount }) => file.bytes.subarray(offset, offset + byteCount)));
      if (frame.length === 0 || number > (file.dataset.number('NumberOfFrames') ?? 1)) throw new NotFoundError(`frame ${number}`);
      yield file.transferSyntax.bigEndian ? swapped(frame, file.dataset.number('BitsAllocated') ?? 8) : frame;
    }
  }
}

/** Deflated frames are no range of the file; big-endian samples must be turned round. */
const needsWholeObject = (transferSyntaxUid: string): boolean =>
  transferSyntaxUid === '1.2.840.10008.1.2.1.99' || transferSyntaxUid === '1.2.840.10008.1.2.2';

function swapped(frame: Buffer, bitsAllocated: number): Buffer {
  if (bitsAllocated === 16) return Buffer.from(frame).swap16();
  return bitsAllocated === 32 ? Buffer.from(frame).swap32() : frame;
}

function readFrameList(list: string): number[] {
  const numbers = list.split(',').map(Number);
  const good = numbers.length <= framesMax && numbers.every((number) => Number.isInteger(number) && number >= 1 && number < 2 ** 31);
  if (!good) throw new BadRequestError('the frame list is not a list of frame numbers from 1');
  return numbers;
}
