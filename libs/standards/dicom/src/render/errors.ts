import { CallosumError } from '@callosum/kernel';

/** Why a frame has no picture. */
export type RenderProblem =
  /** Its colour space is none that is rendered here. */
  | 'unsupported'
  /** A palette or lookup table is missing, or its descriptor and data do not fit each other. */
  | 'broken'
  /** A lookup table is in the object but not in the header that was given: read more of the object. */
  | 'not-loaded'
  /** The window or viewport asked for is none. */
  | 'bad-option'
  /** The picture asked for would be larger than any screen. */
  | 'too-large';

/** Thrown when a frame cannot be rendered as asked; what is wrong with its pixels is a DicomPixelError. */
export class DicomRenderError extends CallosumError {
  constructor(
    readonly problem: RenderProblem,
    message: string,
  ) {
    super(`dicom.render.${problem}`, problem === 'not-loaded' ? 'internal' : 'invalid', message);
  }
}
