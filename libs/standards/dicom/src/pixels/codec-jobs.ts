import { DicomPixelError, DicomTranscodeError } from '../errors.js';

export type Decoder = 'decodeJpeg' | 'decodeJpegLs' | 'decodeJpeg2000' | 'decodeHtJpeg2000' | 'decodeJpegXl';
export type Encoder = 'encodeJpeg' | 'encodeJpegLs' | 'encodeJpeg2000' | 'encodeHtJpeg2000';

/** How samples lie in a frame, as the codecs are told. */
export interface CodecImage {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly pixelRepresentation: number;
  readonly planarConfiguration: 0;
  /** Codecs refuse names they do not know: one of MONOCHROME2, RGB and YBR_FULL. */
  readonly photometricInterpretation: 'MONOCHROME2' | 'RGB' | 'YBR_FULL';
}

export type FrameSize = Pick<CodecImage, 'rows' | 'columns' | 'samplesPerPixel' | 'bitsAllocated'>;

export interface DecodeJob {
  readonly kind: 'decode';
  readonly decoder: Decoder;
  readonly image: CodecImage;
  /** In a buffer of its own: the thread takes it over. */
  readonly encoded: Uint8Array;
}

export interface EncodeJob {
  readonly kind: 'encode';
  readonly encoder: Encoder;
  /** Of the same code stream, to prove it. */
  readonly decoder: Decoder;
  readonly image: CodecImage;
  /** Little-endian, colour by pixel, in a buffer of its own: the thread takes it over. */
  readonly samples: Uint8Array;
}

/** A picture for a screen as a file, with loss. */
export interface PictureJob {
  readonly kind: 'picture';
  readonly format: 'jpeg' | 'webp';
  /** 1 (small) to 100 (good). */
  readonly quality: number;
  readonly columns: number;
  readonly rows: number;
  /** Grey, or red, green and blue. */
  readonly channels: 1 | 3;
  /** One byte each, by pixel, in a buffer of their own: the thread takes it over. */
  readonly samples: Uint8Array;
}

export type CodecJob = DecodeJob | EncodeJob | PictureJob;

/** What a thread is sent. */
export interface CodecTask {
  readonly job: CodecJob;
  /** What the memory of the job's module has grown to for it and for those before it, as `memoryOf` reckons it. */
  readonly memoryBytes: number;
}

export interface CodecResult {
  /** Samples, the code stream, or the file. */
  readonly bytes: Uint8Array;
  readonly columns: number;
  readonly rows: number;
  /** Of an encoded frame: decoded again it gives the very same samples. */
  readonly isExact?: boolean;
}

export type CodecReply = CodecResult | { readonly error: string };

/**
 * Bytes a codec takes at most for each sample of a frame of 8 and of 16 bits, code stream and proof included: measured over
 * the codecs, flat frames and noise (up to 6.9 and 13.1 to decode, 12.5 and 19.9 to encode and decode again).
 */
const bytesPerSample = { decode: [8, 14], encode: [14, 20] } as const;

/**
 * For each pixel of a picture, grey and colour, what goes in and what comes out included: measured as what is resident of
 * the module's memory, over flat pictures and noise of 1, 4 and 16 million pixels, qualities 90 and 100 (up to 6.3 and 16.1
 * as JPEG; 31.8 and 36.2 as WebP, which is given four bytes a pixel beside it).
 */
const bytesPerPicturePixel = { jpeg: [7, 17], webp: [36, 41] } as const;

/** The WebAssembly modules of a thread. Each has a memory of its own, which never shrinks. */
export type CodecModule = 'codecs' | 'webp';

export const moduleOf = (job: JobSize): CodecModule =>
  job.kind === 'picture' && job.format === 'webp' ? 'webp' : 'codecs';

/** What a job's codec grows by. */
export type JobSize =
  | { readonly kind: 'decode'; readonly image: FrameSize; readonly encoded?: { readonly length: number } }
  | { readonly kind: 'encode'; readonly image: FrameSize }
  | Pick<PictureJob, 'kind' | 'format' | 'columns' | 'rows' | 'channels'>;

/** Bytes that the memory of the job's module grows to for a frame or a picture. */
export function memoryOf(job: JobSize): number {
  if (job.kind === 'picture') {
    const [grey, colour] = bytesPerPicturePixel[job.format];
    return job.columns * job.rows * (job.channels === 1 ? grey : colour);
  }
  const { rows, columns, samplesPerPixel, bitsAllocated } = job.image;
  const [narrow, wide] = bytesPerSample[job.kind];
  const samples = rows * columns * samplesPerPixel;
  // A code stream as long as noise is counted with the samples. One may be far longer, and say nothing by it.
  const encodedBytes = job.kind === 'decode' ? (job.encoded?.length ?? 0) : 0;
  const beyond = Math.max(0, encodedBytes - samples * Math.ceil(bitsAllocated / 8));
  return samples * (bitsAllocated > 8 ? wide : narrow) + encodedCopies * beyond;
}

/** What the thread is given, and that in the memory of the module. */
const encodedCopies = 2;

/** What codecs of one process may hold together. The largest detectors have frames of some 50 million samples. */
export const codecBytesMax = 800 * 1024 * 1024;

/** The error of a job that alone needs more than codecs may take. */
export function tooLarge(job: JobSize): Error {
  const { rows, columns } = job.kind === 'picture' ? job : job.image;
  const why = `A frame of ${String(columns)} × ${String(rows)} needs more memory than the codecs may take`;
  return job.kind === 'decode'
    ? new DicomPixelError('dicom.pixel-data-unsupported', why)
    : new DicomTranscodeError('too-large', why);
}
