import type { Corroboration, Reason, StudyDemographics } from './judgement.js';

/** What became of the Patient of a link. `inactive`: and nothing says which one replaced it. */
export type Loss = 'merged' | 'gone' | 'inactive' | 'broken-merge';

/** Why a decision took the place of a link although the study is the same. */
export interface LostLink {
  readonly decisionId: string;
  /** "Patient/<id>" the study was linked to. */
  readonly patient: string;
  readonly loss: Loss;
  /** Who chose that Patient, or the one that it came from by merges. */
  readonly chosenBy: 'rules' | 'person';
}

/** What a decision was made on; it may hold names and stays in this service's own schema. */
export interface Evidence {
  readonly demographics?: StudyDemographics;
  /** Patients the identifier led to, and how each compared. */
  readonly candidates: readonly { readonly patient: string; readonly corroboration?: Corroboration }[];
  readonly follows?: LostLink;
}

export type Verdict =
  | { readonly state: 'linked'; readonly patient: string; readonly provisional: boolean }
  | { readonly state: 'quarantined'; readonly reasons: readonly Reason[] };

export type Decider =
  | { readonly by: 'rules' }
  /** `resolves` is the quarantine decided on, `action` what was asked: the same request again finds its answer. */
  | { readonly by: 'person'; readonly name: string; readonly resolves: string; readonly action: string };

/** A decision to be made; it gets its place in the study's history when it is committed. */
export interface NewDecision {
  readonly decisionId: string;
  readonly studyInstanceUid: string;
  readonly identityDigest: string;
  readonly verdict: Verdict;
  readonly decider: Decider;
  readonly evidence: Evidence;
}

/** One entry of a study's history of decisions. */
export interface Decision extends NewDecision {
  readonly decidedAt: Date;
  readonly supersededAt: Date | null;
}
