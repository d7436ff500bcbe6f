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
    private readonly issueCode: IssueCode,
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

  /** The same refusal of one entry of a Bundle: its issues point there ("Bundle.entry[3].resource.gender"). */
  within(entry: string): FhirError {
    const inside = (expression: string): string => expression.replace(/^[A-Za-z]+/, `${entry}.resource`);
    const issues = this.issues.map((one) => ({ ...one, expression: one.expression?.map(inside) ?? [entry] }));
    return new FhirError(this.status, this.issueCode, this.message, { issues, cause: this });
  }
}

export const badRequest = (diagnostics: string, expression?: string): FhirError =>
  new FhirError(400, 'invalid', diagnostics, expression ? { expression } : {});

export const notSupported = (diagnostics: string): FhirError => new FhirError(400, 'not-supported', diagnostics);

export const multipleMatches = (diagnostics: string): FhirError => new FhirError(412, 'multiple-matches', diagnostics);
