import { CallosumError, type ErrorKind } from '@callosum/kernel';

/** An error whose status is not the one that errors of its kind have (PS3.18 Table 8.5-1). */
export abstract class StatusError extends CallosumError {
  constructor(
    /** HTTP status of the answer. */
    readonly status: number,
    code: string,
    kind: ErrorKind,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, kind, message, options);
  }
}

/** Thrown when a request cannot be understood (PS3.18 Table 8.5-1: 400). */
export class BadRequestError extends CallosumError {
  constructor(reason: string) {
    super('dicomweb.bad-request', 'invalid', reason);
  }
}

/** Thrown when what the path names is not there (404). */
export class NotFoundError extends CallosumError {
  constructor(what: string) {
    super('dicomweb.not-found', 'not-found', `${what} is not here`);
  }
}

/** Thrown when no representation can be given that the client accepts (406). */
export class NotAcceptableError extends StatusError {
  constructor(reason: string) {
    super(406, 'dicomweb.not-acceptable', 'invalid', reason);
  }
}

/** Thrown when a request passes a limit, or what it asks for does (413). */
export class TooLargeError extends StatusError {
  constructor(reason: string) {
    super(413, 'dicomweb.too-large', 'invalid', reason);
  }
}
