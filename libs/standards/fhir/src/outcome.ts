import type { OperationOutcome, OperationOutcomeIssue } from './resources.js';

export type IssueSeverity = NonNullable<OperationOutcomeIssue['severity']>;
/** A code of R4 ValueSet issue-type. */
export type IssueCode = NonNullable<OperationOutcomeIssue['code']>;

/**
 * One issue. `diagnostics` is for people and never holds values from the resource: outcomes are logged and shown.
 * @param expression FHIRPath of the element ("Patient.gender")
 */
export function issue(
  severity: IssueSeverity,
  code: IssueCode,
  diagnostics: string,
  expression?: string,
): OperationOutcomeIssue {
  return { severity, code, diagnostics, ...(expression ? { expression: [expression] } : {}) };
}

export function outcome(...issues: readonly OperationOutcomeIssue[]): OperationOutcome {
  return { resourceType: 'OperationOutcome', issue: [...issues] };
}

/** An outcome with one error. */
export const errorOutcome = (code: IssueCode, diagnostics: string, expression?: string): OperationOutcome =>
  outcome(issue('error', code, diagnostics, expression));

/** An outcome that says all went well. */
export const okOutcome = (diagnostics: string): OperationOutcome =>
  outcome(issue('information', 'informational', diagnostics));

export function isOperationOutcome(value: unknown): value is OperationOutcome {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { resourceType?: unknown }).resourceType === 'OperationOutcome'
  );
}
