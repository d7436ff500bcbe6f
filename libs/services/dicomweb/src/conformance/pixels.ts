import {
  defaultTranscodeLimits,
  encodedSyntaxes,
  ExplicitVRLittleEndian,
  type ImagePixel,
  type ObjectFacts,
  transferSyntaxesFor,
  transferSyntaxOf,
} from '@callosum/dicom';

/** Pixels of one kind, and the compressed syntaxes that are made of them. */
export interface StatedPixels {
  readonly kind: string;
  readonly transferSyntaxUids: readonly string[];
}

const image = (
  photometricInterpretation: string,
  samplesPerPixel: number,
  bitsAllocated: number,
  pixelRepresentation: 0 | 1 = 0,
): ImagePixel => ({
  rows: 64,
  columns: 64,
  frames: 1,
  samplesPerPixel,
  bitsAllocated,
  bitsStored: bitsAllocated,
  pixelRepresentation,
  planarConfiguration: 0,
  photometricInterpretation,
});

const kinds: readonly (readonly [string, ImagePixel, tag?: string])[] = [
  ['single bits', image('MONOCHROME2', 1, 1)],
  ['grey or palette, 8 bits', image('MONOCHROME2', 1, 8)],
  ['grey, 8 bits, signed', image('MONOCHROME2', 1, 8, 1)],
  ['grey or palette, 16 bits', image('MONOCHROME2', 1, 16)],
  ['grey, 16 bits, signed', image('MONOCHROME2', 1, 16, 1)],
  ['grey, 32 bits', image('MONOCHROME2', 1, 32)],
  ['`RGB`, 8 bits', image('RGB', 3, 8)],
  ['`RGB`, 16 bits', image('RGB', 3, 16)],
  ['`YBR_FULL` or `YBR_FULL_422`, 8 bits', image('YBR_FULL', 3, 8)],
  ['`YBR_FULL`, 16 bits', image('YBR_FULL', 3, 16)],
  ['floating point', image('MONOCHROME2', 1, 32), '7FE00008'],
  ['floating point, double', image('MONOCHROME2', 1, 64), '7FE00009'],
];

/** As the rules of transcoding choose, for each kind of pixels. */
export const statedPixels = (): StatedPixels[] =>
  kinds.map(([kind, of, tag]) => ({
    kind,
    transferSyntaxUids: transferSyntaxesFor(factsOf(of, tag), encodedSyntaxes, defaultTranscodeLimits),
  }));

/** Of an uncompressed object with such pixels. */
const factsOf = (of: ImagePixel, tag = '7FE00010'): ObjectFacts => ({
  transferSyntax: transferSyntaxOf(ExplicitVRLittleEndian),
  sopClassUid: '',
  sopInstanceUid: '',
  signed: of.pixelRepresentation === 1,
  lossyImageCompression: '',
  hasLossyMethod: false,
  pixels: {
    tag,
    vr: 'OW',
    byteCount: Math.ceil((of.rows * of.columns * of.samplesPerPixel * of.bitsAllocated) / 8),
    bitsAllocated: of.bitsAllocated,
    image: of,
    hasPlanarConfiguration: true,
    firstFrame: new Uint8Array(0),
    extendedOffsets: [],
  },
  icons: new Map(),
});
