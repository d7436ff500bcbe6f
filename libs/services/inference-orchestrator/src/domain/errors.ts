import { CallosumError } from '@callosum/kernel';

/** Thrown when a worker's manifest cannot be served; the text names the field, for the vendor. */
export class InvalidManifestError extends CallosumError {
  constructor(problem: string) {
    super('inference.invalid-manifest', 'invalid', problem);
  }
}

/** Thrown when a result does not hold together; names the field, never its value. */
export class InvalidResultError extends CallosumError {
  constructor(problem: string) {
    super('inference.invalid-result', 'invalid', problem);
  }
}

/** Thrown when the caller does not hold the job (any more): another attempt has it, or it has ended. */
export class StaleFencingTokenError extends CallosumError {
  constructor(jobId: string) {
    super('inference.stale-fencing-token', 'conflict', `job ${jobId} is not held under this fencing token`);
  }
}

/** Thrown into a stream whose worker keeps it open and lets its leases run out. */
export class WorkerSilentError extends CallosumError {
  constructor() {
    super(
      'inference.worker-silent',
      'conflict',
      'leases of this stream ran out one after the other: a heartbeat names every job held, and is sent in time',
    );
  }
}

/** Thrown when a job's series cannot be made into the volume its model reads; another try gives the same. */
export class InputUnusableError extends CallosumError {
  constructor(problem: string, options?: { cause?: unknown }) {
    super('inference.input-unusable', 'invalid', problem, options);
  }
}

/** Thrown when the index does not show what the job was scheduled with: a newer job is on its way, or images are hidden. */
export class InputChangedError extends CallosumError {
  constructor(jobId: string) {
    super('inference.input-changed', 'conflict', `the input of job ${jobId} has changed since it was scheduled`);
  }
}

/** Thrown when a model would be one more than the site serves at once. */
export class TooManyModelsError extends CallosumError {
  constructor(modelsMax: number) {
    super('inference.too-many-models', 'unavailable', `${modelsMax} models and versions are registered already`);
  }
}

/** Thrown when a job has as many transfers of voxels under way as one job may. */
export class TooManyTransfersError extends CallosumError {
  constructor(jobId: string) {
    super('inference.too-many-transfers', 'conflict', `job ${jobId} has too many transfers under way`);
  }
}

/** Thrown when the attempt a transfer of voxels belongs to is over: nobody will use what it carries. */
export class AttemptOverError extends CallosumError {
  constructor(jobId: string) {
    super('inference.attempt-over', 'conflict', `the attempt at job ${jobId} is over`);
  }
}

/** Thrown when a label map is not on the grid of its job's input, or has more or fewer bytes than it. */
export class LabelMapMismatchError extends CallosumError {
  constructor(problem: string) {
    super('inference.label-map-mismatch', 'invalid', problem);
  }
}

/** Thrown when a job has stored as many label maps as one job may. */
export class TooManyLabelMapsError extends CallosumError {
  constructor(jobId: string) {
    super('inference.too-many-label-maps', 'conflict', `job ${jobId} has stored too many label maps`);
  }
}

/** Thrown when study-index does not know a study it told of (it is being rebuilt), or does not answer. */
export class StudyUnavailableError extends CallosumError {
  constructor(studyInstanceUid: string, options?: { cause?: unknown }) {
    super('inference.study-unavailable', 'unavailable', `study ${studyInstanceUid} cannot be read now`, options);
  }
}

/** Thrown when the index has more of a study than one message holds: another try gives the same. */
export class StudyTooLargeError extends CallosumError {
  constructor(studyInstanceUid: string, options?: { cause?: unknown }) {
    super('inference.study-too-large', 'invalid', `study ${studyInstanceUid} is too large to be considered`, options);
  }
}

/** Thrown when somebody asks about a study the index does not know. */
export class StudyNotIndexedError extends CallosumError {
  constructor(studyInstanceUid: string) {
    super('inference.study-not-indexed', 'not-found', `study ${studyInstanceUid} is not indexed`);
  }
}

/** Thrown when a request's parameter is malformed, or names a model nobody registered. */
export class MalformedRequestError extends CallosumError {
  constructor(problem: string) {
    super('inference.malformed-request', 'invalid', problem);
  }
}

export class ModelNotFoundError extends CallosumError {
  constructor() {
    super('inference.model-not-found', 'not-found', 'no such model has registered');
  }
}

/** Thrown when a job is to be released that does not exist, or is not held. */
export class JobNotHeldError extends CallosumError {
  constructor() {
    super('inference.job-not-held', 'not-found', 'there is no such job that is held');
  }
}

/** Thrown when a worker shows no credential, a wrong one, or one that was revoked or has expired; never says which. */
export class CredentialRefusedError extends CallosumError {
  constructor() {
    super('inference.credential-refused', 'forbidden', 'this port needs a credential that is in force');
  }
}

/** Thrown when a credential of one vendor is used for a model of another. */
export class VendorMismatchError extends CallosumError {
  constructor(problem: string) {
    super('inference.vendor-mismatch', 'forbidden', problem);
  }
}

/** Thrown when a credential cannot be issued as asked; the text names the field. */
export class InvalidCredentialRequestError extends CallosumError {
  constructor(problem: string) {
    super('inference.invalid-credential-request', 'invalid', problem);
  }
}

/** Thrown when there is no such credential. */
export class CredentialNotFoundError extends CallosumError {
  constructor() {
    super('inference.credential-not-found', 'not-found', 'there is no such credential');
  }
}
