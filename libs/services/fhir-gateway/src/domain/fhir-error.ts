import { CallosumError, type ErrorKind } from '@callosum/kernel';
import { issue, type IssueCode, type OperationOutcomeIssue } from '@callosum/fhir';

/** Status codes of R4 http, 3.1.0.1.10, with the issue type that explains each. */
const kinds: Readonly<Record<number, ErrorKind>> = {
  404: 'not-found',
  410: 'not-found',
  409: 'conflict',
  412: 'conflict',
  503: 'unavailable',
};

/**
 * Thrown when an interaction cannot be done. The one error of this service; carries the HTTP status FHIR
 * gives it and the issues of its OperationOutcome. Diagnostics never repeat values of a resource or query.
 */
export class FhirError extends CallosumError {
  readonly issues: readonly OperationOutcomeIssue[];

  constructor(
    readonly status: number,
    issueCode: IssueCode,
    diagnostics: string,
    options: { expression?: string; issues?: readonly OperationOutcomeIssue[]; cause?: unknown } = {},
  ) {
    super(
      `fhir.${issueCode}`,
      kinds[status] ?? 'invalid',
      diagnostics,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.issues = options.issues ?? [issue('error', issueCode, diagnostics, options.expression)];
  }
}

export const badRequest = (diagnostics: string, expression?: string): FhirError =>
  new FhirError(400, 'invalid', diagnostics, expression ? { expression } : {});

export const notSupported = (diagnostics: string): FhirError => new FhirError(400, 'not-supported', diagnostics);

export const multipleMatches = (diagnostics: string): FhirError => new FhirError(412, 'multiple-matches', diagnostics);
