import { HTJ2KLossless, JPEG2000Lossless, JPEGLossless, JPEGLSLossless, RLELossless } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { statedPixels } from './pixels.js';

const all = [RLELossless, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless];

describe('the table of what compressed syntaxes hold', () => {
  it.each([
    ['single bits', []],
    ['grey or palette, 8 bits', all],
    ['grey, 8 bits, signed', [RLELossless, JPEGLossless, JPEGLSLossless]],
    ['grey or palette, 16 bits', all],
    ['grey, 16 bits, signed', all],
    ['grey, 32 bits', [RLELossless]],
    ['`RGB`, 8 bits', all],
    ['`RGB`, 16 bits', [RLELossless, JPEGLossless, JPEGLSLossless]],
    ['`YBR_FULL` or `YBR_FULL_422`, 8 bits', all.filter((uid) => uid !== HTJ2KLossless)],
    ['`YBR_FULL`, 16 bits', [RLELossless, JPEGLossless, JPEGLSLossless]],
    ['floating point', []],
    ['floating point, double', []],
  ] as const)('has %s', (kind, uids) => {
    const found = statedPixels().find((one) => one.kind === kind);
    expect(found?.transferSyntaxUids.toSorted()).toEqual(uids.toSorted());
  });
});
