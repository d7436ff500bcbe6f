import { CallosumError } from '@callosum/kernel';

/** Thrown when a decision id names none. */
export class UnknownDecisionError extends CallosumError {
  constructor(decisionId: string) {
    super('identity.unknown-decision', 'not-found', `no decision ${decisionId}`);
  }
}

/** Thrown when somebody decides on a decision that no longer is the study's current quarantine. */
export class StaleDecisionError extends CallosumError {
  constructor(decisionId: string) {
    super(
      'identity.stale-decision',
      'conflict',
      `decision ${decisionId} is no longer the one to decide on: read the study's decisions again`,
    );
  }
}

/** Thrown when the Patient a person chose is not in the record, or is no reference to one. */
export class UnknownPatientError extends CallosumError {
  constructor() {
    super('identity.unknown-patient', 'invalid', 'patient names no Patient of the record; expected "Patient/<id>"');
  }
}

/** Thrown when a person links to a Patient that was merged into another one: only they can say that the other is meant. */
export class MergedPatientError extends CallosumError {
  constructor(named: string, survivor: string) {
    super('identity.merged-patient', 'conflict', `${named} was merged into ${survivor}: decide on that one`);
  }
}

/** Thrown when a person links to a Patient that the record says is not to be used. */
export class InactivePatientError extends CallosumError {
  constructor(patient: string) {
    super('identity.inactive-patient', 'conflict', `${patient} is not active in the record`);
  }
}

/** Thrown when the merges (`replaced-by`) of a Patient lead to none of this record: not there, elsewhere, or in a ring. */
export class BrokenMergeError extends CallosumError {
  constructor(readonly patient: string) {
    super('identity.broken-merge', 'conflict', `the merges of ${patient} lead to no Patient of this record`);
  }
}

/** Thrown when a request cannot be read. */
export class MalformedRequestError extends CallosumError {
  constructor(reason: string) {
    super('identity.malformed-request', 'invalid', reason);
  }
}

/** Thrown when the same identifier or study is being decided elsewhere: the same call passes later. */
export class DecisionContentionError extends CallosumError {
  constructor() {
    super('identity.contention', 'unavailable', 'another decision on the same patient or study is being made');
  }
}

/** Thrown when a lease is asked for under a decision that is not the study's current link, or is about to change. */
export class NotCurrentLinkError extends CallosumError {
  constructor(decisionId: string) {
    super('identity.not-current-link', 'conflict', `decision ${decisionId} is not the study's current link`);
  }
}

/** Thrown when a lease was revoked or ran out: the holder must not write. */
export class LeaseLostError extends CallosumError {
  constructor(leaseId: string) {
    super('identity.lease-lost', 'conflict', `lease ${leaseId} was revoked or ran out`);
  }
}
