/** Transfer syntaxes of PS3.5 Annex A and PS3.6 A. */
export interface TransferSyntax {
  readonly uid: string;
  readonly name: string;
  readonly implicitVr: boolean;
  readonly bigEndian: boolean;
  readonly deflated: boolean;
  /** Pixel Data is a sequence of fragments. */
  readonly encapsulated: boolean;
  /** The code stream may have lost information (also where the syntax allows both). */
  readonly lossy: boolean;
  /** Pixel Data is one video stream over many fragments. */
  readonly video: boolean;
}

export const ImplicitVRLittleEndian = '1.2.840.10008.1.2';
export const ExplicitVRLittleEndian = '1.2.840.10008.1.2.1';
export const DeflatedExplicitVRLittleEndian = '1.2.840.10008.1.2.1.99';
export const ExplicitVRBigEndian = '1.2.840.10008.1.2.2';
export const RLELossless = '1.2.840.10008.1.2.5';
/** Process 14, selection value 1. */
export const JPEGLossless = '1.2.840.10008.1.2.4.70';
export const JPEGLSLossless = '1.2.840.10008.1.2.4.80';
export const JPEG2000Lossless = '1.2.840.10008.1.2.4.90';
export const HTJ2KLossless = '1.2.840.10008.1.2.4.201';

type Flag = 'implicit' | 'big' | 'deflated' | 'lossless' | 'lossy' | 'video';
const rows: readonly (readonly [string, string, Flag | undefined])[] = [
  [ImplicitVRLittleEndian, 'Implicit VR Little Endian', 'implicit'],
  [ExplicitVRLittleEndian, 'Explicit VR Little Endian', undefined],
  [DeflatedExplicitVRLittleEndian, 'Deflated Explicit VR Little Endian', 'deflated'],
  [ExplicitVRBigEndian, 'Explicit VR Big Endian', 'big'],
  ['1.2.840.10008.1.2.1.98', 'Encapsulated Uncompressed Explicit VR Little Endian', 'lossless'],
  [RLELossless, 'RLE Lossless', 'lossless'],
  ['1.2.840.10008.1.2.4.50', 'JPEG Baseline (Process 1)', 'lossy'],
  ['1.2.840.10008.1.2.4.51', 'JPEG Extended (Process 2 and 4)', 'lossy'],
  ['1.2.840.10008.1.2.4.57', 'JPEG Lossless, Non-Hierarchical (Process 14)', 'lossless'],
  ['1.2.840.10008.1.2.4.70', 'JPEG Lossless, Non-Hierarchical, First-Order Prediction', 'lossless'],
  ['1.2.840.10008.1.2.4.80', 'JPEG-LS Lossless', 'lossless'],
  ['1.2.840.10008.1.2.4.81', 'JPEG-LS Lossy (Near-Lossless)', 'lossy'],
  ['1.2.840.10008.1.2.4.90', 'JPEG 2000 (Lossless Only)', 'lossless'],
  ['1.2.840.10008.1.2.4.91', 'JPEG 2000', 'lossy'],
  ['1.2.840.10008.1.2.4.92', 'JPEG 2000 Part 2 Multi-component (Lossless Only)', 'lossless'],
  ['1.2.840.10008.1.2.4.93', 'JPEG 2000 Part 2 Multi-component', 'lossy'],
  ['1.2.840.10008.1.2.4.100', 'MPEG2 Main Profile / Main Level', 'video'],
  ['1.2.840.10008.1.2.4.101', 'MPEG2 Main Profile / High Level', 'video'],
  ['1.2.840.10008.1.2.4.102', 'MPEG-4 AVC/H.264 High Profile / Level 4.1', 'video'],
  ['1.2.840.10008.1.2.4.103', 'MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1', 'video'],
  ['1.2.840.10008.1.2.4.104', 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video', 'video'],
  ['1.2.840.10008.1.2.4.105', 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video', 'video'],
  ['1.2.840.10008.1.2.4.106', 'MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2', 'video'],
  ['1.2.840.10008.1.2.4.107', 'HEVC/H.265 Main Profile / Level 5.1', 'video'],
  ['1.2.840.10008.1.2.4.108', 'HEVC/H.265 Main 10 Profile / Level 5.1', 'video'],
  ['1.2.840.10008.1.2.4.110', 'JPEG XL Lossless', 'lossless'],
  ['1.2.840.10008.1.2.4.111', 'JPEG XL JPEG Recompression', 'lossy'],
  ['1.2.840.10008.1.2.4.112', 'JPEG XL', 'lossy'],
  ['1.2.840.10008.1.2.4.201', 'High-Throughput JPEG 2000 (Lossless Only)', 'lossless'],
  ['1.2.840.10008.1.2.4.202', 'High-Throughput JPEG 2000 with RPCL Options (Lossless Only)', 'lossless'],
  ['1.2.840.10008.1.2.4.203', 'High-Throughput JPEG 2000', 'lossy'],
  ['1.2.840.10008.1.2.8.1', 'Deflated Image Frame Compression', 'lossless'],
];

export const transferSyntaxes: ReadonlyMap<string, TransferSyntax> = new Map(
  rows.map(([uid, name, flag]) => [
    uid,
    {
      uid,
      name,
      implicitVr: flag === 'implicit',
      bigEndian: flag === 'big',
      deflated: flag === 'deflated',
      encapsulated: flag === 'lossless' || flag === 'lossy' || flag === 'video',
      lossy: flag === 'lossy' || flag === 'video',
      video: flag === 'video',
    },
  ]),
);

/**
 * Properties of a transfer syntax. One that is not in the table is read as Explicit VR Little Endian with
 * encapsulated pixels, which PS3.5 A.4 prescribes for every compressed syntax, also future ones.
 */
export function transferSyntaxOf(uid: string): TransferSyntax {
  return (
    transferSyntaxes.get(uid) ?? {
      uid,
      name: uid,
      implicitVr: false,
      bigEndian: false,
      deflated: false,
      encapsulated: true,
      lossy: true,
      video: false,
    }
  );
}
export const isEncapsulated = (uid: string): boolean => transferSyntaxOf(uid).encapsulated;
export const isBigEndian = (uid: string): boolean => transferSyntaxOf(uid).bigEndian;
export const isDeflated = (uid: string): boolean => transferSyntaxOf(uid).deflated;
export const isImplicitVr = (uid: string): boolean => transferSyntaxOf(uid).implicitVr;
