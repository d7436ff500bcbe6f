/** `JudgeStudy`. */
export const JUDGE_STUDY = Symbol('identity-mapping.judge-study');
/** `ResolveQuarantine`. */
export const RESOLVE_QUARANTINE = Symbol('identity-mapping.resolve-quarantine');
/** `DecisionQueries`. */
export const DECISION_QUERIES = Symbol('identity-mapping.decision-queries');
/** `DecisionStore`. */
export const DECISIONS = Symbol('identity-mapping.decisions');
/** `PatientRecord`. */
export const PATIENT_RECORD = Symbol('identity-mapping.patient-record');
/** `StudyDirectory`. */
export const STUDY_DIRECTORY = Symbol('identity-mapping.study-directory');
