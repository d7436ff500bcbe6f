import { CallosumError } from '@callosum/kernel';

/** Thrown when an identifier is not one that its SOP class allows. Names attributes, never values. */
export class IdentifierError extends CallosumError {
  /** @param tags of the attributes at fault, eight hex digits each */
  constructor(
    message: string,
    readonly tags: readonly string[] = [],
    options?: { cause?: unknown },
  ) {
    super('dimse-ingest.identifier', 'invalid', message, options);
  }
}

/** Thrown when the index would walk the archive for an answer: the same query ends the same way. */
export class SearchTooBroadError extends CallosumError {
  constructor(options?: { cause?: unknown }) {
    super('dimse-ingest.search-too-broad', 'invalid', 'too broad: narrow it by date, patient or UID', options);
  }
}

/** Thrown when a match is more than the index may send: the same query ends the same way. */
export class MatchTooLargeError extends CallosumError {
  constructor(options?: { cause?: unknown }) {
    super(
      'dimse-ingest.match-too-large',
      'invalid',
      'a match is larger than 63 MiB: ask for fewer attributes',
      options,
    );
  }
}

/** Thrown when study-index does not answer. */
export class IndexUnavailableError extends CallosumError {
  constructor(options?: { cause?: unknown }) {
    super('dimse-ingest.index-unavailable', 'unavailable', 'the index does not answer', options);
  }
}

/** Thrown when a retrieve asks for more instances than one may: a narrower one ends. */
export class TooManyInstancesError extends CallosumError {
  constructor(instancesMax: number) {
    super('dimse-ingest.too-many-instances', 'invalid', `more than ${instancesMax} instances: retrieve less at once`);
  }
}

/** Thrown when an instance was hidden, or is gone, since its retrieve began. */
export class HiddenMeanwhileError extends CallosumError {
  constructor() {
    super('dimse-ingest.hidden-meanwhile', 'not-found', 'the instance is not given out any more');
  }
}

/** Thrown when as many C-MOVE and C-GET run as may at once, in all or for this AE. */
export class TooManyRetrievesError extends CallosumError {
  constructor() {
    super('dimse-ingest.too-many-retrieves', 'unavailable', 'too many retrieves at once');
  }
}

/** Thrown when a C-MOVE names a destination that is no AE we can call. */
export class UnknownDestinationError extends CallosumError {
  constructor() {
    super('dimse-ingest.unknown-destination', 'not-found', 'the move destination is not known here');
  }
}
