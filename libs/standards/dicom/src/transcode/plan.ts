import { DicomPixelError, DicomTranscodeError } from '../errors.js';
import { codecBytesMax, memoryOf } from '../pixels/codec-jobs.js';
import { readCodeStream } from '../pixels/codestream.js';
import { isDecoded, photometricOf } from '../pixels/decode.js';
import { encodedPhotometric, encodedSyntaxes, whyNotEncodable } from '../pixels/encode.js';
import { nativeFrameBits, type ImagePixel } from '../pixels/layout.js';
import type { Tag } from '../tags.js';
import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  RLELossless,
  type TransferSyntax,
  transferSyntaxOf,
} from '../transfer-syntax.js';
import type { FrameFacts, ObjectFacts, PixelFacts } from './facts.js';
import type { TranscodeLimits } from './limits.js';

/** A value written in place of the object's own: little-endian, of an even length. */
export interface ChangedValue {
  readonly vr: string;
  readonly value: Uint8Array;
  /** Written also where the object has no such attribute. */
  readonly insert?: boolean;
}

export type Changes = ReadonlyMap<Tag, ChangedValue | 'drop'>;

/** How an object becomes one in another transfer syntax. */
export interface Plan {
  readonly to: TransferSyntax;
  /** What happens to Pixel Data: its bytes are copied (swapped where the byte order changes), or its frames worked on. */
  readonly pixels: 'copy' | 'decode' | 'encode';
  /** Icons are in the codec of the transfer syntax, so they are decoded where it changes. */
  readonly decodeIcons: boolean;
  /** Of frames that are worked on, once decoded: colour by pixel, chroma as fine as luma. */
  readonly image: ImagePixel | undefined;
  /** As they are stored. */
  readonly frames: FrameFacts | undefined;
  /** Of the dataset's own attributes. */
  readonly changes: Changes;
}

/** Uncompressed syntaxes that are written here. */
export const nativeSyntaxes: readonly string[] = [
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  DeflatedExplicitVRLittleEndian,
  ExplicitVRBigEndian,
];

/** Every code stream of the first is one of these as well: a selection value among all, lossless where loss is allowed. */
const wider: Readonly<Record<string, readonly string[]>> = {
  '1.2.840.10008.1.2.4.70': ['1.2.840.10008.1.2.4.57'],
  '1.2.840.10008.1.2.4.80': ['1.2.840.10008.1.2.4.81'],
  '1.2.840.10008.1.2.4.90': ['1.2.840.10008.1.2.4.91'],
  '1.2.840.10008.1.2.4.110': ['1.2.840.10008.1.2.4.112'],
  '1.2.840.10008.1.2.4.201': ['1.2.840.10008.1.2.4.203'],
  '1.2.840.10008.1.2.4.202': ['1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.203'],
};

/** True when the object's pixels are valid in the other syntax as they are. */
export const isSameCodeStream = (fromUid: string, toUid: string): boolean =>
  fromUid === toUid || (wider[fromUid]?.includes(toUid) ?? false);

/** Pixels are elsewhere, behind a URL: an object without them would be another one. */
const pixelsElsewhere: ReadonlySet<string> = new Set(['1.2.840.10008.1.2.4.94', '1.2.840.10008.1.2.4.204']);

/** The longest value of native Pixel Data (PS3.5 A.4 would have larger images encapsulated). */
const nativeBytesMax = 0xfffffffe;

/**
 * Thrown when the object cannot be had in this syntax without loss: DicomTranscodeError; when its frames have to be worked on
 * and cannot be what its attributes say: DicomPixelError.
 */
export function planTranscoding(facts: ObjectFacts, toUid: string, limits: TranscodeLimits): Plan {
  const to = transferSyntaxOf(toUid);
  const { transferSyntax: from, pixels } = facts;
  const isCopied = isSameCodeStream(from.uid, to.uid);
  const plan = { to, decodeIcons: !isCopied };
  if (!isCopied && !nativeSyntaxes.includes(toUid) && !encodedSyntaxes.includes(toUid))
    throw unfit(`${to.name} is not written here`);
  if (!isCopied && pixelsElsewhere.has(from.uid)) throw undecodable('Its pixels are referenced by JPIP and not in it');
  if (isCopied || (!pixels && !to.encapsulated) || (pixels?.byteCount !== undefined && !to.encapsulated)) {
    return { ...plan, pixels: 'copy', image: undefined, frames: undefined, changes: new Map() };
  }
  if (!pixels || pixels.tag !== '7FE00010') throw unfit(`${to.name} holds integer pixels only`);
  if (pixels.byteCount === undefined && !isDecoded(from.uid))
    throw undecodable(`Pixels in ${from.name} are not decoded`);
  if (pixels.image instanceof DicomPixelError) throw pixels.image;
  const frames: FrameFacts = { ...pixels, image: pixels.image };
  if (frames.image.photometricInterpretation.startsWith('YBR_PARTIAL'))
    throw undecodable(`${frames.image.photometricInterpretation} has no uncompressed form with all its chroma`);
  const image: ImagePixel = {
    ...frames.image,
    planarConfiguration: 0,
    // A JPEG may say of itself that it is in another colour space.
    photometricInterpretation: photometricOf(frames.image, readCodeStream(frames.firstFrame)),
  };
  checkSizes(frames, image, to, limits);
  const why = to.encapsulated ? whyNotEncodable(image, toUid) : undefined;
  if (why !== undefined) throw unfit(`${to.name} cannot hold this image: ${why}`);
  const photometric = to.encapsulated ? encodedPhotometric(image, toUid) : image.photometricInterpretation;
  return {
    ...plan,
    pixels: to.encapsulated ? 'encode' : 'decode',
    image,
    frames,
    changes: new Map([...imageChanges(frames, photometric), ...lossyHistory(facts, frames)]),
  };
}

const unfit = (message: string): DicomTranscodeError => new DicomTranscodeError('unfit', message);
const undecodable = (message: string): DicomTranscodeError => new DicomTranscodeError('undecodable', message);

function checkSizes(pixels: FrameFacts, image: ImagePixel, to: TransferSyntax, limits: TranscodeLimits): void {
  const frameBits = nativeFrameBits(image);
  if (frameBits / 8 > limits.frameBytesMax)
    throw new DicomTranscodeError('too-large', `A frame is larger than ${String(limits.frameBytesMax)} bytes`);
  if (!to.encapsulated && (frameBits * image.frames) / 8 > nativeBytesMax)
    throw new DicomTranscodeError('too-large', 'The frames are larger than uncompressed Pixel Data may be');
  const needsCodec = to.encapsulated && to.uid !== RLELossless;
  if (needsCodec && memoryOf({ kind: 'encode', image }) > codecBytesMax)
    throw new DicomTranscodeError('too-large', 'A frame needs more memory than its codec may take');
  const stored = (nativeFrameBits(pixels.image) * image.frames) / 8;
  if (pixels.byteCount !== undefined && pixels.byteCount < stored)
    throw new DicomPixelError('dicom.pixel-data-broken', 'Pixel Data is shorter than its frames');
}

const text = (vr: string, value: string): ChangedValue => ({
  vr,
  value: Buffer.from(value.length % 2 === 0 ? value : `${value} `, 'latin1'),
});

/**
 * Attributes that say how samples lie, after the frames were worked on. Offset tables are of the fragments that were; new
 * ones have an empty Basic Offset Table and one fragment a frame (PS3.5 A.4), since nothing is known of later frames when
 * the first is written.
 */
export function imageChanges(
  { image, hasPlanarConfiguration }: Pick<FrameFacts, 'image' | 'hasPlanarConfiguration'>,
  photometric: string,
): Changes {
  const changes = new Map<Tag, ChangedValue | 'drop'>([
    ['7FE00001', 'drop'],
    ['7FE00002', 'drop'],
    ['7FE00003', 'drop'],
  ]);
  if (photometric !== image.photometricInterpretation) changes.set('00280004', text('CS', photometric));
  if (hasPlanarConfiguration && image.planarConfiguration !== 0)
    changes.set('00280006', { vr: 'US', value: Uint8Array.of(0, 0) });
  return changes;
}

/** Defined Terms of Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1). */
const lossyMethods: readonly (readonly [RegExp, string])[] = [
  [/\.4\.5\d$/, 'ISO_10918_1'],
  [/\.4\.8\d$/, 'ISO_14495_1'],
  [/\.4\.9\d$/, 'ISO_15444_1'],
  [/\.4\.20\d$/, 'ISO_15444_15'],
];

/**
 * That pixels were compressed with loss once is said for ever (PS3.3 C.7.6.1.1.5). The object's own attributes are kept;
 * where they say nothing and the code stream shows it, the transfer syntax that said it is lost, so they have to.
 */
function lossyHistory({ transferSyntax, ...facts }: ObjectFacts, { firstFrame }: PixelFacts): Changes {
  const changes = new Map<Tag, ChangedValue>();
  if (readCodeStream(firstFrame)?.lossy !== true) return changes;
  if (facts.lossyImageCompression !== '01') changes.set('00282110', { ...text('CS', '01'), insert: true });
  const method = lossyMethods.find(([pattern]) => pattern.test(transferSyntax.uid))?.[1];
  if (method !== undefined && !facts.hasLossyMethod) changes.set('00282114', { ...text('CS', method), insert: true });
  return changes;
}
