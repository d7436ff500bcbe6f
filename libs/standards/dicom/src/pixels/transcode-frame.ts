import { DicomPixelError, DicomTranscodeError } from '../errors.js';
import type { ObjectFacts } from '../transcode/facts.js';
import { BitPacker, codecSamples } from '../transcode/frames.js';
import { inTurns } from '../render/steps.js';
import { defaultTranscodeLimits } from '../transcode/limits.js';
import { planTranscoding } from '../transcode/plan.js';
import { ExplicitVRLittleEndian, transferSyntaxOf } from '../transfer-syntax.js';
import { samplesAs } from './colour.js';
import { encodedPhotometric, encodeFrame } from './encode.js';
import type { ImagePixel } from './layout.js';
import { byPlane } from './native.js';
import { decodeStoredFrame, nativeOctets, type StoredFrame } from './stored-frame.js';

export interface TranscodedFrame {
  /**
   * Native: octets without padding, of single bits the unused ones of the last byte 0. Encoded: the code stream, without
   * padding. May be a view of the stored frame's bytes.
   */
  readonly bytes: Uint8Array;
  /** How the samples lie in them: what the object's own attributes say, but for planes, chroma and colour transform. */
  readonly image: ImagePixel;
}

/**
 * One frame in another transfer syntax, without loss, by the rules that `transcode` has for whole objects: to Explicit VR
 * Little Endian (application/octet-stream, PS3.18 8.7.3), RLE, JPEG Lossless, JPEG-LS, JPEG 2000 and HTJ2K. A native
 * frame stays as it lies, colour by plane and subsampled chroma too; a decoded one has chroma as fine as luma, colour
 * transforms of JPEG 2000 undone and JPEG in another colour space than its object says converted, and lies by pixel or by
 * plane as the object's attributes say, since whoever has asked for the frame knows no others; where the samples have another
 * photometric interpretation than those, by pixel. What an encoder makes is decoded again and compared before it is
 * given; a stream that is valid in the other syntax as it is, is given as it is.
 * @param toUid a native one is Explicit VR Little Endian: frames have no VRs, and leave in no other byte order
 * @param signal a frame that a codec has begun is finished first
 * Thrown when it cannot be had so (video, JPIP, JPEG XL recompression, what the syntax cannot hold, a frame past the
 * limits of transcoding), or an encoder's stream decodes to other samples: DicomTranscodeError; when the frame is short or
 * its stream broken: DicomPixelError; when the codecs have too much to do: DicomCodecsBusyError.
 */
export async function transcodeFrame(
  frame: StoredFrame,
  toUid: string,
  signal?: AbortSignal,
): Promise<TranscodedFrame> {
  signal?.throwIfAborted();
  const isEncapsulated = transferSyntaxOf(frame.transferSyntaxUid).encapsulated;
  if (!transferSyntaxOf(toUid).encapsulated && toUid !== ExplicitVRLittleEndian)
    throw new DicomTranscodeError('unfit', `Frames are not given in ${transferSyntaxOf(toUid).name}`);
  const { encodedFrameBytesMax } = defaultTranscodeLimits;
  if (isEncapsulated && frame.bytes.length > encodedFrameBytesMax)
    throw new DicomPixelError(
      'dicom.pixel-data-broken',
      `A frame is longer than ${String(encodedFrameBytesMax)} bytes`,
    );
  const { pixels, image: planned } = planTranscoding(factsOf(frame), toUid, defaultTranscodeLimits);
  if (pixels === 'copy') return { bytes: isEncapsulated ? frame.bytes : nativeOctets(frame), image: frame.image };
  const image = { ...(planned ?? frame.image), frames: frame.image.frames };
  if (pixels === 'decode') {
    const { planarConfiguration, photometricInterpretation } = frame.image;
    const isByPlane = planarConfiguration === 1 && image.photometricInterpretation === photometricInterpretation;
    const samples = await decodedOctets(frame, image, signal, isByPlane);
    return {
      bytes: image.bitsAllocated === 1 ? packed(samples) : samples,
      image: isByPlane ? { ...image, planarConfiguration } : image,
    };
  }
  const samples = isEncapsulated
    ? await decodedOctets(frame, image, signal, false)
    : await inTurns(codecSamples(nativeOctets(frame), frame.image), signal);
  const bytes = await encodeFrame(toUid, samples, image, signal);
  return { bytes, image: { ...image, photometricInterpretation: encodedPhotometric(image, toUid) } };
}

/** Of an object that has this frame and no other. */
function factsOf({ bytes, transferSyntaxUid, image, tag = '7FE00010', vr = 'OW' }: StoredFrame): ObjectFacts {
  const transferSyntax = transferSyntaxOf(transferSyntaxUid);
  return {
    transferSyntax,
    sopClassUid: '',
    sopInstanceUid: '',
    signed: image.pixelRepresentation === 1,
    lossyImageCompression: '',
    hasLossyMethod: false,
    pixels: {
      tag,
      vr,
      byteCount: transferSyntax.encapsulated ? undefined : bytes.length,
      bitsAllocated: image.bitsAllocated,
      image: { ...image, frames: 1 },
      hasPlanarConfiguration: true,
      // Lossy history and another colour space are for a dataset to say. A frame alone has no attributes, so its samples
      // become what the object's say.
      firstFrame: new Uint8Array(0),
      extendedOffsets: [],
    },
    icons: new Map(),
  };
}

/** Little-endian samples in a buffer of their own, which a codec's thread takes over. */
async function decodedOctets(
  frame: StoredFrame,
  image: ImagePixel,
  signal: AbortSignal | undefined,
  isByPlane: boolean,
): Promise<Uint8Array> {
  const byPixel = await samplesAs(await decodeStoredFrame(frame, signal), image, signal);
  const samples = isByPlane ? await inTurns(byPlane(byPixel, frame.image), signal) : byPixel;
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** @param samples 0 or 1 each */
function packed(samples: Uint8Array): Uint8Array {
  const packer = new BitPacker();
  return Buffer.concat([packer.add(samples), packer.end()]);
}
