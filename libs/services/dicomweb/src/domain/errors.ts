import { CallosumError } from '@callosum/kernel';

/** Thrown when a request cannot be understood (PS3.18 Table 8.5-1: 400). */
export class BadRequestError extends CallosumError {
  constructor(reason: string) {
    super('dicomweb.bad-request', 'invalid', reason);
  }
}

/** Thrown when a request passes a limit, or what it asks for does (413). */
export class TooLargeError extends CallosumError {
  constructor(reason: string) {
    super('dicomweb.too-large', 'invalid', reason);
  }
}

/** Thrown when as many requests store as may at once (503): the sender keeps what it has and comes again. */
export class TooManyStoresError extends CallosumError {
  constructor() {
    super('dicomweb.too-many-stores', 'unavailable', 'too many requests store at once');
  }
}

/** Thrown when as many requests retrieve as may at once (503). */
export class TooManyRetrievesError extends CallosumError {
  constructor() {
    super('dicomweb.too-many-retrieves', 'unavailable', 'too many requests retrieve at once');
  }
}

/** Thrown when the memory that retrieves share stays taken (503). */
export class MemoryTakenError extends CallosumError {
  constructor(options?: { cause?: unknown }) {
    super('dicomweb.memory-taken', 'unavailable', 'others hold the memory that this needs', options);
  }
}

/** Thrown when an answer has ended, since its client has gone, while something still worked for it: nobody is left to be told. */
export class RetrieveEndedError extends CallosumError {
  constructor() {
    super('dicomweb.retrieve-ended', 'unavailable', 'the client has gone');
  }
}

/** Thrown when something is only known after the index has read the object, and the object is too large to do without (503). */
export class IndexBehindError extends CallosumError {
  constructor() {
    super('dicomweb.index-behind', 'unavailable', 'the index does not know the object yet');
  }
}

/** Thrown when no representation can be given that the client accepts (406). */
export class NotAcceptableError extends CallosumError {
  constructor(reason: string) {
    super('dicomweb.not-acceptable', 'invalid', reason);
  }
}

/** Thrown when the payload's media type is not one the resource takes (415). */
export class UnsupportedMediaTypeError extends CallosumError {
  constructor(reason: string) {
    super('dicomweb.unsupported-media-type', 'invalid', reason);
  }
}

/** Thrown when what the path names is not there (404). */
export class NotFoundError extends CallosumError {
  constructor(what: string) {
    super('dicomweb.not-found', 'not-found', `${what} is not here`);
  }
}
