import { issue, type OperationOutcomeIssue } from '@callosum/fhir';
import { CallosumError } from '@callosum/kernel';

import { FhirError } from '../domain/fhir-error.js';

/** Status and issues FHIR answers an error with. What we did not foresee tells the caller nothing but 500. */
export function describeError(error: unknown): { status: number; issues: readonly OperationOutcomeIssue[] } {
  if (error instanceof FhirError) return { status: error.status, issues: error.issues };
  if (error instanceof CallosumError && error.kind === 'unavailable') {
    return { status: 503, issues: [issue('error', 'transient', 'the store is not available now; try again')] };
  }
  return { status: 500, issues: [issue('fatal', 'exception', 'an internal error; it was logged')] };
}
