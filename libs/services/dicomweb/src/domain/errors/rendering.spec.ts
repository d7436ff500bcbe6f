import { DicomPixelError, DicomRenderError, DicomTranscodeError } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { renderingError } from './rendering.js';

describe('what went wrong with a picture', () => {
  it.each([
    ['a size that nothing renders', new DicomRenderError('too-large', 'x'), 413],
    // Of the same object a smaller picture can be had: it is not without one.
    ['a size that the codecs have no room for', new DicomTranscodeError('too-large', 'x'), 413],
    ['a picture that its codec refuses', new DicomTranscodeError('unfit', 'x'), 406],
    ['pixels that are broken', new DicomPixelError('dicom.pixel-data-broken', 'x'), 406],
  ])('is told apart: %s', (_, error, status) => {
    expect(renderingError(error)).toMatchObject({ status });
  });

  it('is left as it is where it is ours', () => {
    const error = new Error('away');
    expect(renderingError(error)).toBe(error);
  });
});
