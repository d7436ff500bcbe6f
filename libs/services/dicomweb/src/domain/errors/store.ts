import { CallosumError } from '@callosum/kernel';

import { StatusError } from './door.js';

/** Thrown when the payload's media type is not one the resource takes (415). */
export class UnsupportedMediaTypeError extends StatusError {
  constructor(reason: string) {
    super(415, 'dicomweb.unsupported-media-type', 'invalid', reason);
  }
}

/** Thrown when as many requests store as may at once, in all or of one who sends (503): the sender keeps what it has and comes again. */
export class TooManyStoresError extends CallosumError {
  constructor() {
    super('dicomweb.too-many-stores', 'unavailable', 'too many requests store at once');
  }
}

/** Thrown when a request's body comes so slowly that it only keeps others out (408). */
export class SlowRequestError extends StatusError {
  constructor() {
    super(408, 'dicomweb.slow-request', 'invalid', 'the request comes too slowly');
  }
}

/** Thrown when an object is of no SOP class that is stored (Failure Reason 0122). */
export class UnsupportedSopClassError extends CallosumError {
  constructor() {
    super('dicomweb.sop-class', 'invalid', 'the SOP class is none of objects of a study');
  }
}

/** Thrown when an object is in a transfer syntax that is not stored (Failure Reason C122). */
export class UnsupportedTransferSyntaxError extends CallosumError {
  constructor(transferSyntaxUid: string) {
    super('dicomweb.transfer-syntax', 'invalid', `transfer syntax ${transferSyntaxUid} is not stored`);
  }
}

/** Thrown when metadata cannot be read, or it and its bulk data do not make an object (Failure Reason C000). */
export class UnusableMetadataError extends CallosumError {
  constructor(reason: string, options?: { cause?: unknown }) {
    super('dicomweb.unusable-metadata', 'invalid', reason, options);
  }
}

/** Thrown when all requests together hold as much as they may (Failure Reason A700): it may be had later. */
export class StoreMemoryTakenError extends CallosumError {
  constructor() {
    super('dicomweb.store-memory-taken', 'unavailable', 'others hold the memory that this needs');
  }
}
