import { CallosumError } from '@callosum/kernel';

/** Thrown when bytes are not the DICOM they claim to be, or pass a limit that protects the process. */
export class DicomParseError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('dicom.unparsable', 'invalid', message, options);
  }
}

/** Thrown when there are more elements than may be held at once: a walk that keeps less of them may still read it. */
export class TooManyElementsError extends DicomParseError {}

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

/** Why an object cannot be given in another transfer syntax. */
export type TranscodeProblem =
  /** Its pixels cannot be decoded here: video, JPIP, JPEG 2000 Part 2, a syntax nobody knows. */
  | 'undecodable'
  /** The wanted syntax is none that is written here, or cannot hold this image without loss. */
  | 'unfit'
  /** A frame or value passes a limit. */
  | 'too-large'
  /** An encoder gave a code stream that decodes to other samples: it was thrown away. */
  | 'not-lossless';

/** Thrown when an object cannot be transcoded losslessly; broken pixels and datasets have their own errors. */
export class DicomTranscodeError extends CallosumError {
  constructor(
    readonly problem: TranscodeProblem,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`dicom.transcode.${problem}`, problem === 'not-lossless' ? 'internal' : 'invalid', message, options);
  }
}

/** Thrown when so many frames wait for the codec threads that another would only add to what is held. */
export class DicomCodecsBusyError extends CallosumError {
  constructor(message: string) {
    super('dicom.codecs-busy', 'unavailable', message);
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

/** Thrown when a query cannot be read. Names the attribute, never its value: it may be a name. */
export class MalformedMatchError extends CallosumError {
  constructor(tag: string, reason: string) {
    super('dicom.malformed-match', 'invalid', `match on ${tag}: ${reason}`);
  }
}
