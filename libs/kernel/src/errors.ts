/**
 * What the caller may do about an error. Each transport maps it once to its standard's status.
 * - `invalid`: the input is wrong; the same call fails again.
 * - `not-found`, `conflict`, `forbidden`: about the state of what was addressed.
 * - `unavailable`: a dependency or resource is missing now; the same call may pass later.
 * - `internal`: a defect, ours or of the server that was asked.
 */
export type ErrorKind = 'invalid' | 'not-found' | 'conflict' | 'forbidden' | 'unavailable' | 'internal';

/**
 * Base of every error Callosum throws on purpose.
 * `code` is stable and for machines ("dicom.uid-mismatch"); `message` is for people and never holds
 * names, Patient IDs, accession numbers or birth dates.
 */
export class CallosumError extends Error {
  constructor(
    readonly code: string,
    readonly kind: ErrorKind,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = new.target.name;
  }

  get retriable(): boolean {
    return this.kind === 'unavailable';
  }
}

/** Text of anything thrown: libraries throw strings and plain objects too. */
export function errorMessage(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : JSON.stringify(error);
}

/** Stable code of anything thrown; `fallback` when it is no CallosumError. */
export function errorCode(error: unknown, fallback = 'internal'): string {
  return error instanceof CallosumError ? error.code : fallback;
}
