import { CallosumError } from '@callosum/kernel';

/** Thrown when a UID that was asked for is in no index row. */
export class NotIndexedError extends CallosumError {
  constructor(level: 'study' | 'series' | 'instance', uid: string) {
    super('study-index.not-found', 'not-found', `${level} ${uid} is not indexed`);
  }
}

/** Thrown when a request holds something that is no UID where one must stand. */
export class MalformedUidError extends CallosumError {
  constructor(field: string) {
    super('study-index.malformed-uid', 'invalid', `${field} is not a UID (PS3.5 9.1)`);
  }
}

/** Thrown when a request asks for more than one request may, or for what cannot be. */
export class MalformedRequestError extends CallosumError {
  constructor(reason: string) {
    super('study-index.malformed-request', 'invalid', reason);
  }
}

/** Thrown when If-Match is no entity tag that this service gave. */
export class PreconditionError extends CallosumError {
  constructor() {
    super('study-index.malformed-if-match', 'invalid', 'If-Match is the ETag of an answer, or *');
  }
}

/** Thrown when a query would walk the archive and has found nothing for too long: the same one ends the same way. */
export class SearchTooBroadError extends CallosumError {
  constructor(options?: { cause?: unknown }) {
    super(
      'study-index.search-too-broad',
      'invalid',
      'the search takes too long: narrow it by date, patient, accession number or UID',
      options,
    );
  }
}

/** Thrown when a search has waited for others for too long, or too many wait already: the same one is answered later. */
export class TooManySearchesError extends CallosumError {
  constructor() {
    super('study-index.too-many-searches', 'unavailable', 'too many others search: come again, or ask for less');
  }
}

/** Thrown when one message would be more than its reader takes: the same request ends the same way. */
export class AnswerTooLargeError extends CallosumError {
  constructor() {
    super(
      'study-index.answer-too-large',
      'invalid',
      'more than 63 MiB in one message: ask for fewer attributes, or less',
    );
  }
}

/** Thrown when a stored object is not what its event said: nobody can index it, so it is parked. */
export class InstanceMismatchError extends CallosumError {
  constructor(sopInstanceUid: string, attribute: string) {
    super(
      'study-index.instance-mismatch',
      'invalid',
      `${attribute} in the blob of ${sopInstanceUid} is not the one announced`,
    );
  }
}

/** Thrown when another transaction took the instance elsewhere meanwhile: the same call passes later. */
export class IndexContentionError extends CallosumError {
  constructor(sopInstanceUid: string) {
    super(
      'study-index.contention',
      'unavailable',
      `instance ${sopInstanceUid} is being indexed by another transaction`,
    );
  }
}

/** Thrown when an event lacks a field that its producer always sets. */
export class MalformedEventFieldError extends CallosumError {
  constructor(field: string) {
    super('study-index.malformed-event', 'invalid', `${field} is missing`);
  }
}

/** Thrown where instances cannot be indexed in one go: they come again, one by one. */
export class NotTogetherError extends CallosumError {
  constructor(why: string) {
    super('study-index.not-together', 'conflict', `these instances are indexed one by one: ${why}`);
  }
}
