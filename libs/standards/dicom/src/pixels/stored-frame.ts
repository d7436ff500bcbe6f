import { DicomPixelError } from '../errors.js';
import { toLittleEndian } from '../parse/byte-order.js';
import { inTurns } from '../render/steps.js';
import type { Tag } from '../tags.js';
import { transferSyntaxOf } from '../transfer-syntax.js';
import type { CodecTurn } from './codec-pool.js';
import { decodeEncodedFrame } from './decode.js';
import { nativeFrameBits, type ImagePixel } from './layout.js';
import { decodeNativeFrame, type DecodedFrame } from './native.js';

/** One frame as its object holds it. */
export interface StoredFrame {
  /**
   * Encapsulated: its fragments, joined. Native: from the frame's first bit on, in the byte order of the transfer syntax,
   * inflated where that is deflated; what is behind the frame's last bit is left.
   */
  readonly bytes: Uint8Array;
  readonly transferSyntaxUid: string;
  /** Of its object. */
  readonly image: ImagePixel;
  /** The element it is from; default Pixel Data. */
  readonly tag?: Tag;
  /** Of that element, which says how long the words of big-endian pixels are; default what PS3.5 A.3 prescribes. */
  readonly vr?: string;
}

/**
 * A native frame as Explicit VR Little Endian has it, without padding: planes and subsampled chroma stay as they are, and
 * unused bits of the last byte are 0 (PS3.5 8.1.1). May be a view of the frame's bytes.
 * Thrown when the bytes are too few: DicomPixelError.
 */
export function nativeOctets({ bytes, transferSyntaxUid, image, tag, vr }: StoredFrame): Uint8Array {
  const bits = nativeFrameBits(image);
  const byteCount = Math.ceil(bits / 8);
  const { bigEndian } = transferSyntaxOf(transferSyntaxUid);
  const words = bigEndian ? (vr ?? pixelVr(image, tag)) : 'OB';
  // The last byte of an odd frame of words stands in the second half of its word.
  const stored = words === 'OW' ? byteCount + (byteCount % 2) : byteCount;
  if (bytes.length < stored)
    throw new DicomPixelError('dicom.pixel-data-broken', 'A frame is shorter than its attributes say');
  const octets = toLittleEndian(words, bytes.subarray(0, stored)).subarray(0, byteCount);
  if (bits % 8 === 0) return octets;
  const whole = new Uint8Array(octets);
  whole[byteCount - 1] = (whole[byteCount - 1] ?? 0) & (2 ** (bits % 8) - 1);
  return whole;
}

function pixelVr({ bitsAllocated }: ImagePixel, tag: Tag | undefined): string {
  if (tag === '7FE00008') return 'OF';
  if (tag === '7FE00009') return 'OD';
  return bitsAllocated > 8 ? 'OW' : 'OB';
}

/**
 * Samples of one stored frame: of every syntax that `decodeFrames` decodes.
 * Thrown when the syntax is not decoded, the frame is short or its stream broken: DicomPixelError; when the codecs have too
 * much to do: DicomCodecsBusyError; when the signal says so before a codec has begun: its reason.
 */
export async function decodeStoredFrame(
  frame: StoredFrame,
  signal?: AbortSignal,
  turn?: CodecTurn,
): Promise<DecodedFrame> {
  const { bytes, transferSyntaxUid, image, tag } = frame;
  if (!transferSyntaxOf(transferSyntaxUid).encapsulated)
    return inTurns(decodeNativeFrame(nativeOctets(frame), image, tag), signal);
  // A codec's thread takes over the buffer.
  return decodeEncodedFrame(transferSyntaxUid, new Uint8Array(bytes), image, signal, turn);
}
