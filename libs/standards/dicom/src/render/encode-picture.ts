import { codecPool } from '../pixels/codec-pool.js';
import { DicomRenderError } from './errors.js';
import { channelsOf, type Picture } from './picture.js';
import { encodePng } from './png.js';

export type PictureFormat = 'jpeg' | 'png' | 'webp';

export interface PictureOptions {
  readonly format: PictureFormat;
  /** 1 (small) to 100 (good); a PNG has no loss whatever it says. */
  readonly quality?: number;
}

/** Differences that a person sees only side by side, if at all. */
const defaultQuality = 90;
/** Pixels of a side: two bytes in a JPEG (ITU-T T.81 B.2.2), 14 bits in a WebP (RFC 9649 2.5). */
const sideMax: Readonly<Record<PictureFormat, number>> = { jpeg: 0xffff, png: 0x7fff_ffff, webp: 0x3fff };

/**
 * A picture as a file: JPEG baseline and WebP with loss, in a thread of the codecs where others go first; PNG without.
 * @param signal ends it, with its reason; what a thread has begun is finished first
 * Thrown when the format has no pictures of this size, or the quality is none: DicomRenderError; when its codec fails:
 * DicomTranscodeError; when the codecs have too much to do: DicomCodecsBusyError.
 */
export async function encodePicture(
  picture: Picture,
  { format, quality = defaultQuality }: PictureOptions,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { columns, rows } = picture;
  if (!Number.isInteger(quality) || quality < 1 || quality > 100)
    throw new DicomRenderError('bad-option', 'The quality of a picture is a whole number from 1 to 100');
  if (Math.max(columns, rows) > sideMax[format])
    throw new DicomRenderError('too-large', `A side of the picture is longer than ${format} can have`);
  if (format === 'png') return encodePng(picture, 6, signal);
  const { bytes } = await codecPool.run(
    {
      kind: 'picture',
      format,
      quality,
      columns,
      rows,
      channels: channelsOf(picture),
      // The thread takes over the buffer.
      samples: new Uint8Array(picture.samples),
    },
    signal,
    { patient: true },
  );
  return bytes;
}
