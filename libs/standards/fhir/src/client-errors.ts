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
  constructor(
    interaction: string,
    reason: string,
    /** `not-sent`: no connection came about. `unknown`: the server may have done, or may yet do, what it was asked. */
    readonly outcome: 'not-sent' | 'unknown' = 'unknown',
  ) {
    super('fhir.unavailable', 'unavailable', `${interaction}: ${reason}`);
  }
}

function kindOf(status: number): ErrorKind {
  if (status === 404 || status === 410) return 'not-found';
  if (status === 409 || status === 412) return 'conflict';
  // Credentials that are being exchanged say nothing about what was sent: it may pass later.
  if (status === 401) return 'unavailable';
  if (status === 403) return 'forbidden';
  // The server, or a proxy before it, says that it is busy, away or too slow: the same call may pass later.
  if ([408, 429, 502, 503, 504].includes(status)) return 'unavailable';
  // Any other 5xx is a defect over there, most often about this one request: waiting does not mend it.
  return status >= 500 && status !== 501 ? 'internal' : 'invalid';
}
