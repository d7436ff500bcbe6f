import type { Readable } from 'node:stream';

import { imagePixel, type ImagePixel, type ParsedHeader, type RangeReader, renderingAttributes } from '@callosum/dicom';

import { NotRenderableError } from '../domain/errors/rendering.js';
import { type FileMediaType, mp4, pdf } from '../domain/picture-choices.js';
import { type BytePart, rangesOfPart } from '../domain/range.js';
import { pdfIn, saysPdf } from './encapsulated-pdf.js';
import { openRanges } from './open-ranges.js';
import type { ByteRange, KeptInstance, KeptInstances } from './ports/archive.js';
import type { StoredFrame } from './ports/pixels.js';
import { bytesOf } from './stored-file.js';

/** An object that has pictures. */
export interface RenderableImage {
  readonly kind: 'image';
  readonly instance: KeptInstance;
  readonly image: ImagePixel;
  /** Number of Frames (0028,0008) is there: it is a multi-frame image, also with one frame. */
  readonly isMultiFrame: boolean;
  /** Frames that it was opened for, from 1. */
  readonly frames: readonly number[];
  /** What rendering needs of its header, for these frames. */
  readonly header: Pick<ParsedHeader, 'dataset'>;
  /** Burned In Annotation (0028,0301) says that a person's name may stand in the pixels. */
  readonly hasBurnedInText: boolean;
}

/** A file in an object that is shown as it is: a PDF (PS3.3 A.45.1), an MP4 (PS3.5 8.2.5 and following). */
export interface RenderableFile {
  readonly kind: 'file';
  readonly mediaType: FileMediaType;
  readonly instance: KeptInstance;
  readonly byteCount: number;
  /** @param part of it; all where none is given */
  open(signal: AbortSignal, part?: BytePart): Promise<Readable>;
}

export type Renderable = RenderableImage | RenderableFile;

/** Video, of which is not known yet what it is in. */
export interface StoredVideo {
  readonly kind: 'video';
}

/** Which frames of an image are wanted. */
export type FramesOf = (image: ImagePixel) => readonly number[];

/**
 * What can be shown of an object.
 * @param read bytes of the same blob
 * @throws {NotRenderableError} when it has neither pixels nor a PDF @throws what `framesOf` throws
 * DicomPixelError when its image attributes are impossible.
 */
export async function renderableOf(
  kept: KeptInstances,
  instance: KeptInstance,
  {
    header,
    read,
    framesOf,
  }: { readonly header: ParsedHeader; readonly read: RangeReader; readonly framesOf: FramesOf },
): Promise<Renderable | StoredVideo> {
  const { dataset, pixelData, transferSyntax } = header;
  if (saysPdf(header)) {
    const range = await pdfIn(header, read);
    return {
      kind: 'file',
      mediaType: pdf,
      instance,
      byteCount: range.length,
      open: (signal, part) => kept.open(instance.blobKey, signal, part ? partOf(range, part) : range),
    };
  }
  if (!pixelData) throw new NotRenderableError('the object has no image that could be rendered');
  if (transferSyntax.video) return { kind: 'video' };
  const image = imagePixel(dataset);
  const frames = framesOf(image);
  return {
    kind: 'image',
    instance,
    image,
    isMultiFrame: dataset.has('NumberOfFrames'),
    frames,
    header: await renderingAttributes(header, read, instance.byteCount, frames),
    hasBurnedInText: dataset.string('BurnedInAnnotation') === 'YES',
  };
}

const partOf = ({ offset }: ByteRange, { first, last }: BytePart): ByteRange => ({
  offset: offset + first,
  length: last + 1 - first,
});

/** A file type box stands first in what browsers play (ISO/IEC 14496-12 4.3). */
const mp4Head = { bytes: 12, type: 'ftyp', at: 4 } as const;

/**
 * Video that is stored as an MP4, as it is.
 * @param frame the one stream of the object
 * @throws {NotRenderableError} when it is in another container, or in none
 */
export async function videoOf(
  kept: KeptInstances,
  instance: KeptInstance,
  frame: StoredFrame,
  signal: AbortSignal,
): Promise<RenderableFile> {
  const { ranges = [], byteCount } = frame;
  const open = (part: BytePart, until: AbortSignal): Promise<Readable> =>
    openRanges(kept, instance, rangesOfPart(ranges, part), until);
  const { bytes: length, type, at } = mp4Head;
  const isLong = byteCount > length && ranges.length > 0;
  const head = isLong
    ? Buffer.from(await bytesOf(await open({ first: 0, last: length - 1 }, signal), length, signal))
    : Buffer.alloc(0);
  if (head.toString('latin1', at, at + type.length) !== type)
    throw new NotRenderableError(
      'video is shown where it is an MP4; this one is given as it is stored, as a frame or object',
    );
  return {
    kind: 'file',
    mediaType: mp4,
    instance,
    byteCount,
    open: (until, part) => open(part ?? { first: 0, last: byteCount - 1 }, until),
  };
}
