import {
  type DecodedFrame,
  decodeStoredFrame,
  encodePicture,
  type ImagePixel,
  nativeFrameBits,
  type PictureFormat,
  renderInTurns,
} from '@callosum/dicom';

import { NotFoundError, TooLargeError } from '../domain/errors/door.js';
import { NotRenderableError, renderingError } from '../domain/errors/rendering.js';
import { MemoryTakenError } from '../domain/errors/retrieve.js';
import type { RenderQuery } from '../domain/render-query.js';
import type { KeptInstance, KeptInstances, Selection } from './ports/archive.js';
import type { MemoryBudget, RetrieveMemory } from './ports/memory.js';
import type { FrameSource, StoredFrame } from './ports/pixels.js';
import { type FramesOf, type Renderable, type RenderableImage, renderableOf, videoOf } from './renderable.js';
import { withHeader } from './stored-file.js';

/** How a picture is made. */
export interface PictureForm extends RenderQuery {
  readonly format: PictureFormat;
}

/**
 * Pictures of stored frames (PS3.18 10.4.1.1.3). One is made at a time for an answer, and all of them share a memory of
 * their own: however many are asked for, others of the process have theirs.
 */
export class RenderPictures {
  /** Files that were made and may not have been sent yet, by the signal of their answer: what gives their bytes back. */
  readonly #files = new WeakMap<AbortSignal, () => void>();

  /**
   * @param memory for frames while they are decoded, rendered and encoded
   * @param waitMs how long one waits for it
   */
  constructor(
    private readonly kept: KeptInstances,
    private readonly frames: FrameSource,
    private readonly memory: MemoryBudget,
    private readonly waitMs: number,
  ) {}

  /** In the order they came. @throws {NotFoundError} when there are none */
  async instances(selection: Selection): Promise<readonly KeptInstance[]> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    return instances;
  }

  /**
   * What can be shown of an object.
   * @param framesOf the frames that are wanted of an image
   * @throws {NotRenderableError} when there is nothing @throws what `framesOf` throws
   * @throws {MemoryTakenError} {RetrieveEndedError}
   */
  async open(instance: KeptInstance, framesOf: FramesOf, retrieve: RetrieveMemory): Promise<Renderable> {
    try {
      const opened = await withHeader(this.kept, instance, retrieve, (header, read) =>
        renderableOf(this.kept, instance, { header, read, framesOf }),
      );
      if (opened.kind !== 'video') return opened;
      for await (const stream of this.frames.frames(instance, [1], retrieve))
        return await videoOf(this.kept, instance, stream, retrieve.signal);
      throw new NotRenderableError('the object has no video in it');
    } catch (error) {
      throw renderingError(error);
    }
  }

  /**
   * The picture of a frame, as a file.
   * @param number one of the frames that it was opened for
   * @throws {NotFoundError} when the frame is not there @throws {NotRenderableError} when it cannot be decoded or rendered
   * @throws {BadRequestError} when the window or viewport asked for is none @throws {TooLargeError} when it needs more
   *   memory than there is for all @throws {MemoryTakenError} {RetrieveEndedError} DicomCodecsBusyError
   */
  async picture(of: RenderableImage, number: number, form: PictureForm, retrieve: RetrieveMemory): Promise<Uint8Array> {
    try {
      for await (const frame of this.frames.frames(of.instance, [number], retrieve))
        return await this.#picture(of, frame, form, retrieve.signal);
    } catch (error) {
      retrieve.signal.throwIfAborted();
      throw renderingError(error);
    }
    throw new NotFoundError(`frame ${String(number)}`);
  }

  async #picture(
    { header, image }: RenderableImage,
    frame: StoredFrame,
    { format, quality, viewport, window }: PictureForm,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    // One thing at a time: the picture before it has been taken by the client.
    this.#files.get(signal)?.();
    const giveBack = await this.#take(image, frame, viewport, signal);
    let left = 0;
    try {
      const options = { frameNumber: frame.number, ...(window ? { window } : {}), ...(viewport ? { viewport } : {}) };
      const picture = await renderInTurns(header, await decodedOf(frame, signal), options, signal);
      const file = await encodePicture(picture, { format, ...(quality === undefined ? {} : { quality }) }, signal);
      left = signal.aborted ? 0 : file.length;
      return file;
    } finally {
      giveBack(left);
      if (left > 0) this.#keep(signal, giveBack);
    }
  }

  /** A client that takes its time holds the file: its bytes count until the next one is begun, or the answer has ended. */
  #keep(signal: AbortSignal, giveBack: () => void): void {
    const letGo = (): void => {
      signal.removeEventListener('abort', letGo);
      this.#files.delete(signal);
      giveBack();
    };
    this.#files.set(signal, letGo);
    signal.addEventListener('abort', letGo);
  }

  async #take(
    image: ImagePixel,
    { byteCount: storedBytes }: StoredFrame,
    viewport: RenderQuery['viewport'],
    signal: AbortSignal,
  ): Promise<(left?: number) => void> {
    const { bytesMax } = this.memory;
    const byteCount = bytesFor(image, storedBytes, viewport);
    if (byteCount > bytesMax) {
      const isOfSize = bytesFor(image, storedBytes, { width: 1, height: 1 }) <= bytesMax;
      throw new TooLargeError(
        isOfSize
          ? 'the picture is too large: ask for a smaller one by viewport'
          : 'the frame is too large to be rendered: retrieve it as it is, or the instance',
      );
    }
    try {
      return await this.memory.take(byteCount, AbortSignal.any([signal, AbortSignal.timeout(this.waitMs)]));
    } catch (cause) {
      signal.throwIfAborted();
      throw new MemoryTakenError({ cause });
    }
  }
}

/** Its samples. Nobody holds the stored bytes then. */
const decodedOf = async (frame: StoredFrame, signal: AbortSignal): Promise<DecodedFrame> =>
  decodeStoredFrame({ ...frame, bytes: await frame.bytes() }, signal, { patient: true });

/** Stored bytes are copied for a codec's thread, samples out of it. */
const copies = 2;
/** A byte a channel: the picture, that scaled, and what an encoder is given of it. */
const pictureBytes = 3;

/**
 * Most bytes that a picture takes in this process while it is made, a codec's own memory aside: first the stored ones and the
 * samples, then these and the picture.
 * @param storedBytes of the frame
 */
export function bytesFor(image: ImagePixel, storedBytes: number, viewport: RenderQuery['viewport']): number {
  const { rows, columns, samplesPerPixel } = image;
  const channels = samplesPerPixel === 1 && image.photometricInterpretation.startsWith('MONOCHROME') ? 1 : 3;
  // Single bits become bytes; chroma becomes as fine as luma.
  const decoded = Math.max(nativeFrameBits(image) / 8, rows * columns * samplesPerPixel);
  const pixels = rows * columns;
  const scaled = viewport ? Math.min(viewport.width * viewport.height, shownPixels(image, viewport)) : 0;
  const picture = channels * (pixels + pictureBytes * Math.max(scaled, viewport ? 0 : pixels));
  return Math.ceil(Math.max(copies * (storedBytes + decoded), decoded + picture));
}

/** Pixels of the picture in the viewport: its proportions are those of the region, and so may be fewer. */
function shownPixels(
  { rows, columns }: ImagePixel,
  { width, height, region = {} }: NonNullable<RenderQuery['viewport']>,
): number {
  const lengthOf = (length: number | undefined, at: number | undefined, size: number): number =>
    Math.max(1e-6, Math.min(Math.abs(length ?? size), size - Math.abs(at ?? 0)));
  const [x, y] = [lengthOf(region.width, region.x, columns), lengthOf(region.height, region.y, rows)];
  const scale = Math.min(width / x, height / y);
  return Math.ceil(Math.min(width, x * scale) + 1) * Math.ceil(Math.min(height, y * scale) + 1);
}
