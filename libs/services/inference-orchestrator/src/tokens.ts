/** Providers of this service's own module. */
export const ARTIFACTS = Symbol('inference-orchestrator.artifacts');
export const ATTEMPTS = Symbol('inference-orchestrator.attempts');
export const BLOBS = Symbol('inference-orchestrator.blobs');
export const CREDENTIALS = Symbol('inference-orchestrator.credentials');
export const JOB_QUERIES = Symbol('inference-orchestrator.job-queries');
export const LABEL_MAPS = Symbol('inference-orchestrator.label-maps');
export const MODELS = Symbol('inference-orchestrator.models');
export const SCHEDULING = Symbol('inference-orchestrator.scheduling');
export const STUDIES = Symbol('inference-orchestrator.studies');
export const WAKER = Symbol('inference-orchestrator.waker');

/** In spans, metrics and logs. */
export const service = 'inference-orchestrator';
