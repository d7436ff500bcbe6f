import { CallosumError } from '@callosum/kernel';

/** Thrown when a key is empty, too long, or could leave the store's folder. */
export class InvalidKeyError extends CallosumError {
  constructor() {
    super('object-store.invalid-key', 'invalid', 'the object key is not valid');
  }
}

/** Thrown when the key is taken: objects are never overwritten. */
export class ObjectExistsError extends CallosumError {
  constructor(key: string) {
    super('object-store.exists', 'conflict', `object ${key} exists`);
  }
}

/** Thrown when there is no object under the key. */
export class ObjectNotFoundError extends CallosumError {
  constructor(key: string) {
    super('object-store.not-found', 'not-found', `there is no object ${key}`);
  }
}

/** Thrown when the disk is full or failing, or the server does not answer; the same call may pass later. */
export class ObjectStoreUnavailableError extends CallosumError {
  constructor(reason: string, options?: { cause?: unknown }) {
    super('object-store.unavailable', 'unavailable', `the object store cannot do this now: ${reason}`, options);
  }
}

/** Thrown when too little of the disk is free to write; reads go on. */
export class ObjectStoreFullError extends ObjectStoreUnavailableError {
  constructor() {
    super('the disk is nearly full');
  }
}
