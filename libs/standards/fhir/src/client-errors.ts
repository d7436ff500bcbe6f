import { CallosumError, type ErrorKind } from '@callosum/kernel';

/**
 * Thrown when a FHIR server answered with an error status. Holds issue codes and element paths, never
 * diagnostics or URLs: those may name a patient.
 */
export class FhirRequestError extends CallosumError {
  constructor(
    /** What was tried, without parameters: "PUT ImagingStudy". */
    readonly interaction: string,
    readonly status: number,
    /** Issue type codes of the OperationOutcome, e.g. "duplicate". */
    readonly issueCodes: readonly string[],
    /** FHIRPaths of the elements complained about. */
    readonly expressions: readonly string[],
    /** Seconds the server asked to wait (Retry-After). */
    readonly retryAfterSeconds?: number,
  ) {
    const detail = [...issueCodes, ...expressions].join(', ');
    super('fhir.request-failed', kindOf(status), `${interaction} answered ${status}${detail ? ` (${detail})` : ''}`);
  }
}

/** Thrown when a FHIR server cannot be reached or does not answer in time. */
export class FhirUnavailableError extends CallosumError {
  constructor(interaction: string, reason: string) {
    super('fhir.unavailable', 'unavailable', `${interaction}: ${reason}`);
  }
}

function kindOf(status: number): ErrorKind {
  if (status === 404 || status === 410) return 'not-found';
  if (status === 409 || status === 412) return 'conflict';
  // Credentials that are being exchanged say nothing about what was sent: it may pass later.
  if (status === 401) return 'unavailable';
  if (status === 403) return 'forbidden';
  // A remote defect may be mended or load-dependent: worth another attempt later, unlike a refused resource.
  if (status === 408 || status === 429 || (status >= 500 && status !== 501)) return 'unavailable';
  return 'invalid';
}
