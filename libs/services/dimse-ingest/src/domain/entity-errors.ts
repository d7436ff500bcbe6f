import { CallosumError } from '@callosum/kernel';

/** Thrown when no AE of this title is known: 404. */
export class UnknownEntityError extends CallosumError {
  constructor() {
    super('dimse-ingest.unknown-ae', 'not-found', 'no AE of this title is known');
  }
}

/** Thrown when an AE of this title is in CALLOSUM_DIMSE_AES, which only a deployment changes: 409. */
export class FixedEntityError extends CallosumError {
  constructor() {
    super('dimse-ingest.fixed-ae', 'conflict', 'this AE is in the setting CALLOSUM_DIMSE_AES and is changed there');
  }
}

/** Thrown when an AE that is to be new is there already: 409. */
export class EntityExistsError extends CallosumError {
  constructor() {
    super('dimse-ingest.ae-exists', 'conflict', 'an AE of this title is there already');
  }
}

/** Thrown when the AE was changed since the caller read it: 412. */
export class StaleEntityError extends CallosumError {
  constructor() {
    super('dimse-ingest.stale-ae', 'conflict', 'the AE was changed since it was read: read it again');
  }
}

/** Thrown when the table is full: 409. */
export class TooManyEntitiesError extends CallosumError {
  constructor(most: number) {
    super('dimse-ingest.too-many-aes', 'conflict', `there are ${most} AEs already: remove one, or use networks`);
  }
}

/** Thrown when a user's passcode is to be kept and there is none: 400. */
export class NoPasscodeError extends CallosumError {
  constructor() {
    super('dimse-ingest.no-passcode', 'invalid', 'passcodeSet: this user has no passcode to keep');
  }
}

/** Thrown when an AE has no port, or its host is a network: 409. */
export class EntityNotCallableError extends CallosumError {
  constructor() {
    super('dimse-ingest.ae-not-callable', 'conflict', 'this AE has no port, or its host is a network');
  }
}

/** Thrown when a request about AEs cannot be used: 400. Names members, never their values. */
export class MalformedEntityError extends CallosumError {
  constructor(problem: string) {
    super('dimse-ingest.malformed-ae', 'invalid', problem);
  }
}

/** Thrown when an AE names users while nobody is asked for one: 409. A word nobody reads may be meant to protect. */
export class UsersIgnoredError extends CallosumError {
  constructor() {
    super(
      'dimse-ingest.users-ignored',
      'conflict',
      'users: nobody is asked for one while CALLOSUM_DIMSE_USER_IDENTITY is ignored',
    );
  }
}
