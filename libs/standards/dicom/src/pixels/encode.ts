import { DicomTranscodeError } from '../errors.js';
import {
  HTJ2KLossless,
  JPEG2000Lossless,
  JPEGLossless,
  JPEGLSLossless,
  RLELossless,
  transferSyntaxOf,
} from '../transfer-syntax.js';
import type { Decoder, Encoder } from './codec-jobs.js';
import { codecPool } from './codec-pool.js';
import { codecImage } from './decode.js';
import type { ImagePixel } from './layout.js';
import { encodeRleFrame } from './rle.js';

const encoders: Readonly<Record<string, { readonly encoder: Encoder; readonly decoder: Decoder }>> = {
  [JPEGLossless]: { encoder: 'encodeJpeg', decoder: 'decodeJpeg' },
  [JPEGLSLossless]: { encoder: 'encodeJpegLs', decoder: 'decodeJpegLs' },
  [JPEG2000Lossless]: { encoder: 'encodeJpeg2000', decoder: 'decodeJpeg2000' },
  [HTJ2KLossless]: { encoder: 'encodeHtJpeg2000', decoder: 'decodeHtJpeg2000' },
};

/** Encapsulated syntaxes that are written here, all lossless. */
export const encodedSyntaxes: readonly string[] = [RLELossless, ...Object.keys(encoders)];

/** Segments of an RLE frame (PS3.5 G.5). */
const rleSegmentsMax = 15;

/**
 * Why a syntax cannot hold an image without loss, or undefined when it can: what its standard allows (PS3.5 8.2), as far
 * as the encoders here go.
 * @param image as its samples are after decoding: colour by pixel, no subsampled chroma
 */
export function whyNotEncodable(image: ImagePixel, transferSyntaxUid: string): string | undefined {
  if (!encodedSyntaxes.includes(transferSyntaxUid)) return 'no encoder writes it';
  const { bitsAllocated, samplesPerPixel, photometricInterpretation, pixelRepresentation } = image;
  if (bitsAllocated === 1) return 'Bits Allocated is 1';
  if (/^YBR_(PARTIAL|FULL_422|RCT|ICT)/.test(photometricInterpretation))
    return `samples are ${photometricInterpretation}`;
  if (transferSyntaxUid === RLELossless)
    return (bitsAllocated / 8) * samplesPerPixel > rleSegmentsMax ? 'it needs more segments than RLE has' : undefined;
  if (bitsAllocated !== 8 && bitsAllocated !== 16) return `Bits Allocated is ${String(bitsAllocated)}`;
  if (samplesPerPixel !== 1 && samplesPerPixel !== 3) return `Samples per Pixel is ${String(samplesPerPixel)}`;
  if (transferSyntaxUid === JPEGLossless || transferSyntaxUid === JPEGLSLossless) {
    return image.rows > 0xffff || image.columns > 0xffff ? 'a side is longer than 65535' : undefined;
  }
  // What the encoders of the JPEG 2000 family take: colour in bytes, signed samples in words.
  if (samplesPerPixel === 3 && bitsAllocated !== 8) return 'colour has more than 8 bits a sample';
  if (bitsAllocated === 8 && pixelRepresentation === 1) return 'samples of 8 bits are signed';
  if (image.rows < 2 || image.columns < 2) return 'a side is shorter than two';
  if (samplesPerPixel === 1 || photometricInterpretation === 'RGB') return undefined;
  // HTJ2K is written with the colour transform always, which has a name for RGB only.
  return photometricInterpretation === 'YBR_FULL' && transferSyntaxUid === JPEG2000Lossless
    ? undefined
    : `samples are ${photometricInterpretation}`;
}

/** What Photometric Interpretation says of an encoded image: JPEG 2000 transforms RGB reversibly (PS3.5 8.2.4). */
export function encodedPhotometric(image: ImagePixel, transferSyntaxUid: string): string {
  const isTransformed = transferSyntaxUid === JPEG2000Lossless || transferSyntaxUid === HTJ2KLossless;
  return isTransformed && image.photometricInterpretation === 'RGB' ? 'YBR_RCT' : image.photometricInterpretation;
}

/**
 * One frame as a fragment, without its padding.
 * @param samples little-endian, colour by pixel, in a buffer of their own: a codec's thread takes it over
 * Thrown when the code stream does not decode to the very same samples, or the codec refuses them: DicomTranscodeError;
 * when the codecs have too much to do: DicomCodecsBusyError.
 */
export async function encodeFrame(
  transferSyntaxUid: string,
  samples: Uint8Array,
  image: ImagePixel,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (transferSyntaxUid === RLELossless) return encodeRleFrame(samples, image);
  const codec = encoders[transferSyntaxUid];
  if (!codec) throw new DicomTranscodeError('unfit', `${transferSyntaxOf(transferSyntaxUid).name} is not written`);
  const { bytes, isExact } = await codecPool.run(
    { kind: 'encode', ...codec, image: codecImage(image), samples },
    signal,
  );
  if (isExact === true) return bytes;
  throw new DicomTranscodeError(
    'not-lossless',
    `A frame encoded as ${transferSyntaxOf(transferSyntaxUid).name} decodes to other samples`,
  );
}
