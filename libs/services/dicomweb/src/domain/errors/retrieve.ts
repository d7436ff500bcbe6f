import { CallosumError } from '@callosum/kernel';

/** Thrown when as many requests retrieve as may at once, in all or of one who asks (503). */
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

/** Thrown when a stored object cannot be read, which could be when it was taken (500). */
export class BrokenObjectError extends CallosumError {
  constructor(sopInstanceUid: string, cause: unknown) {
    super('dicomweb.object-broken', 'internal', `the stored object of ${sopInstanceUid} cannot be read`, { cause });
  }
}
