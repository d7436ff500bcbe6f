import { CallosumError } from '@callosum/kernel';

/** Thrown when disk, database or outbox cannot take or find an instance now: DICOM A700, HTTP 503; a sender keeps its copy. */
export class ArchiveUnavailableError extends CallosumError {
  constructor(reason: string, options?: { cause?: unknown }) {
    super('archive.unavailable', 'unavailable', `the archive does not serve now: ${reason}`, options);
  }
}

/** Thrown when the object's UIDs are not those announced for it, by the sender or by its file meta information (PS3.4 B.2.3: A900). */
export class UidMismatchError extends CallosumError {
  constructor(readonly attribute: string) {
    super('archive.uid-mismatch', 'invalid', `${attribute} of the object is not the one announced`);
  }
}

/** Thrown when the object lacks a UID that the archive needs, or has one that is no UID, or several. */
export class MissingUidError extends CallosumError {
  constructor(readonly attribute: string) {
    super('archive.missing-uid', 'invalid', `the object has no usable ${attribute}`);
  }
}

/** Thrown where the site takes no other object under a known UID (rule 2): DICOM Cxxx, HTTP 409 within the answer. */
export class ConflictRefusedError extends CallosumError {
  constructor(readonly conflict: 'conflicting-pixels' | 'conflicting-study') {
    super(`archive.refused-${conflict}`, 'conflict', 'another object is kept under this SOP Instance UID');
  }
}

/** Thrown when the object ends before its Pixel Data does. */
export class TruncatedObjectError extends CallosumError {
  constructor() {
    super('archive.truncated', 'invalid', 'the object is cut off');
  }
}

/** Thrown when a sweep finds what looks like an archive whose ledger was lost: a person must look. */
export class SweepRefusedError extends CallosumError {
  constructor(orphans: number) {
    super('archive.sweep-refused', 'conflict', `${String(orphans)} blobs have no row: is this the right database?`);
  }
}

/** Thrown when the name of a sender, or of its association, does not fit a blob's key. */
export class SourceTooLongError extends CallosumError {
  constructor(bytesMax: number) {
    super('archive.source-too-long', 'invalid', `the name of a source has ${String(bytesMax)} bytes at most`);
  }
}

/** Thrown when an archive was recovered more often than study revisions have room for. */
export class RecoveriesExhaustedError extends CallosumError {
  constructor(recoveriesMax: number) {
    super('archive.recoveries-exhausted', 'conflict', `this archive was recovered ${String(recoveriesMax)} times`);
  }
}

/** Thrown when a tombstone is asked for of what the archive keeps nothing of. */
export class NothingKeptError extends CallosumError {
  constructor() {
    super('archive.nothing-kept', 'not-found', 'the archive keeps nothing of that study, series or instance');
  }
}

/** Thrown when all that is hidden of a scope stays hidden unless it is named: nothing else hides it. */
export class RejectedError extends CallosumError {
  constructor() {
    super(
      'archive.rejected',
      'conflict',
      'a rejection note hides it, or it is a result that was withdrawn with its images: ask for reason=rejected, or for one instance',
    );
  }
}

/** Thrown when the tombstones of a study are not those any more that a request was made on (RFC 9110 13.1.1). */
export class TombstonesChangedError extends CallosumError {
  constructor() {
    super('archive.tombstones-changed', 'conflict', 'somebody else decided on this study meanwhile: look again');
  }
}

/** Thrown when another tombstone of the study was recorded between a mark and its row: it is marked again, after that one. */
export class SequenceTakenError extends CallosumError {
  constructor() {
    super('archive.sequence-taken', 'conflict', 'another tombstone of this study was recorded meanwhile');
  }
}
