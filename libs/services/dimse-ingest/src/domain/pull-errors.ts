import { CallosumError } from '@callosum/kernel';

/** Thrown when no pull has this id, or it is forgotten. */
export class UnknownPullError extends CallosumError {
  constructor() {
    super('dimse-ingest.unknown-pull', 'not-found', 'there is no such pull');
  }
}

/** Thrown when an Idempotency-Key comes again with another request. */
export class IdempotencyKeyReusedError extends CallosumError {
  constructor() {
    super('dimse-ingest.idempotency-key-reused', 'conflict', 'the Idempotency-Key was used for another request');
  }
}

/** Thrown when as many pulls are unfinished as may be. */
export class TooManyPullsError extends CallosumError {
  constructor() {
    super('dimse-ingest.too-many-pulls', 'unavailable', 'too many pulls are unfinished');
  }
}

/** Thrown when a source has more studies than one pull may bring: nothing was asked for. */
export class TooManyStudiesError extends CallosumError {
  constructor(studiesMax: number) {
    super('dimse-ingest.pull-too-broad', 'invalid', `the source has more than ${studiesMax} such studies`);
  }
}

/** Thrown when a pull was cancelled, or another worker has it. */
export class PullLostError extends CallosumError {
  constructor() {
    super('dimse-ingest.pull-lost', 'conflict', 'the pull is no longer ours');
  }
}
