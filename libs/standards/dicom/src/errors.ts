import { CallosumError } from '@callosum/kernel';

/** Thrown when bytes are not the DICOM they claim to be, or pass a limit that protects the process. */
export class DicomParseError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('dicom.unparsable', 'invalid', message, options);
  }
}

/** Thrown when a dataset to be written breaks PS3.5 (a value that its VR cannot hold, a bad UID). */
export class DicomWriteError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('dicom.unwritable', 'invalid', message, options);
  }
}

/** Thrown when pixels cannot be decoded: an unsupported transfer syntax, or a broken code stream. */
export class DicomPixelError extends CallosumError {
  constructor(
    code: 'dicom.pixel-data-unsupported' | 'dicom.pixel-data-broken' | 'dicom.pixel-data-absent',
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, 'invalid', message, options);
  }
}

/** Why a list of slices is no volume. */
export type GeometryProblem =
  | 'empty'
  | 'missing-position'
  | 'missing-orientation'
  | 'missing-spacing'
  | 'mixed-orientation'
  | 'mixed-matrix'
  | 'mixed-spacing'
  | 'mixed-frame-of-reference'
  | 'duplicate-position'
  | 'multi-frame'
  | 'not-a-slice'
  | 'too-large';

/** Thrown when slices cannot be stacked into a volume (PS3.3 C.7.6.2). */
export class GeometryError extends CallosumError {
  constructor(
    readonly problem: GeometryProblem,
    message: string,
  ) {
    super(`dicom.geometry.${problem}`, 'invalid', message);
  }
}
