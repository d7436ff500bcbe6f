import { CallosumError } from '@callosum/kernel';

/** Thrown while study-index does not know the study. */
export class StudyNotIndexedError extends CallosumError {
  constructor(studyInstanceUid: string) {
    super('results.study-not-indexed', 'unavailable', `study ${studyInstanceUid} is not indexed`);
  }
}

/** Thrown when study-index has more of the study than one message holds: another try gives the same. */
export class StudyTooLargeError extends CallosumError {
  constructor(studyInstanceUid: string, options?: { cause?: unknown }) {
    super('results.study-too-large', 'invalid', `study ${studyInstanceUid} is too large to be published`, options);
  }
}

/** Thrown when the decision a publication was to stand under is no longer the study's link; a new decision starts it again. */
export class LinkNotCurrentError extends CallosumError {
  constructor(studyInstanceUid: string) {
    super('results.link-not-current', 'unavailable', `the link of study ${studyInstanceUid} is not current`);
  }
}

/** Thrown when another service cannot be reached now. */
export class PeerUnavailableError extends CallosumError {
  constructor(peer: string, options?: { cause?: unknown }) {
    super('results.peer-unavailable', 'unavailable', `${peer} does not answer`, options);
  }
}

/** Thrown while a stored SEG or SR is not retrievable yet: nothing may refer to it. */
export class ResultNotIndexedError extends CallosumError {
  constructor(studyInstanceUid: string) {
    super('results.not-retrievable-yet', 'unavailable', `results of study ${studyInstanceUid} are not indexed yet`);
  }
}

/** Thrown when a label map's bytes are not those the result names. */
export class LabelMapUnreadableError extends CallosumError {
  constructor(reason: string) {
    super('results.label-map-unreadable', 'invalid', `the label map cannot be read: ${reason}`);
  }
}

/** Thrown when an artifact, a result or a worker's words, is gone or not the bytes its fact names. */
export class ArtifactUnreadableError extends CallosumError {
  constructor(reason: string) {
    super('results.artifact-unreadable', 'invalid', `the artifact cannot be read: ${reason}`);
  }
}

/** Thrown when an attempt lost its claim to another worker: its outcome is not recorded. */
export class ClaimLostError extends CallosumError {
  constructor() {
    super('results.claim-lost', 'conflict', 'another worker took over the study');
  }
}
