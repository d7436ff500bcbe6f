import { DicomParseError, DicomPixelError, DicomRenderError, DicomTranscodeError } from '@callosum/dicom';

import { BadRequestError, StatusError, TooLargeError } from './door.js';

/** Thrown when an object has no picture, or none that is made here: reports, video, pixels nobody can decode (406). */
export class NotRenderableError extends StatusError {
  constructor(reason: string, options?: { cause?: unknown }) {
    super(406, 'dicomweb.not-renderable', 'invalid', reason, options);
  }
}

/**
 * What went wrong with a picture, as the client is told: a wrong option is its own (400), a picture too large for anybody
 * is refused (413), and what is wrong with the object leaves no form in which it can be given (406).
 */
export function renderingError(error: unknown): unknown {
  if (error instanceof DicomRenderError) {
    if (error.problem === 'bad-option') return new BadRequestError(error.message);
    if (error.problem === 'too-large') return new TooLargeError(error.message);
    return new NotRenderableError(error.message, { cause: error });
  }
  if (error instanceof DicomTranscodeError && error.problem === 'too-large')
    return new TooLargeError(`${error.message}: ask for a smaller picture`);
  const isOfObject =
    error instanceof DicomPixelError || error instanceof DicomParseError || error instanceof DicomTranscodeError;
  return isOfObject ? new NotRenderableError(error.message, { cause: error }) : error;
}
