import type { Decision } from '../domain/decision.js';

/** A place in the quarantine list to go on from. */
export interface QuarantinePage {
  readonly decisions: readonly (Decision & { readonly sequence: number })[];
}

export interface DecisionQueries {
  /** Open quarantines, oldest first; what a person rejected only with `includeRejected`. */
  quarantine(after: number, limit: number, includeRejected: boolean): Promise<QuarantinePage>;
  /** All decisions on a study, newest first. */
  history(studyInstanceUid: string): Promise<readonly Decision[]>;
}
