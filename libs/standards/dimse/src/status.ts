/** Status codes of a C-STORE response: PS3.4 table B.2-1 and PS3.7 annex C. */
export const StoreStatus = Object.freeze({
  Success: 0x0000,
  /** Any failure that fits no other code. */
  ProcessingFailure: 0x0110,
  /** The SOP Instance UID breaks the rules of UIDs, or is missing. */
  InvalidSopInstance: 0x0117,
  /** The SOP class of the command is not that of the presentation context. */
  SopClassNotSupported: 0x0122,
  /** The sender keeps its copy and may try again. */
  OutOfResources: 0xa700,
  DatasetDoesNotMatchSopClass: 0xa900,
  CannotUnderstand: 0xc000,
});

/** Status codes of C-FIND, C-GET and C-MOVE responses: PS3.4 tables C.4-1, C.4-2 and C.4-3. */
export const QueryStatus = Object.freeze({
  Success: 0x0000,
  OutOfResources: 0xa700,
  /** C-MOVE, C-GET: the number of matches could not be counted. */
  UnableToCalculateMatches: 0xa701,
  /** C-MOVE, C-GET: no sub-operation succeeded. */
  UnableToPerformSubOperations: 0xa702,
  MoveDestinationUnknown: 0xa801,
  IdentifierDoesNotMatchSopClass: 0xa900,
  UnableToProcess: 0xc000,
  /** C-MOVE, C-GET: complete, but one or more sub-operations failed or ended with a warning. */
  SubOperationsIncomplete: 0xb000,
  Cancel: 0xfe00,
  /** A match, or sub-operations go on. */
  Pending: 0xff00,
  /** C-FIND: a match, and an optional key was not matched by. */
  PendingOptionalKeysUnsupported: 0xff01,
});

/** Status codes of the DIMSE-N services and of messages as such: PS3.7 annex C. */
export const NormalizedStatus = Object.freeze({
  Success: 0x0000,
  NoSuchAttribute: 0x0105,
  InvalidAttributeValue: 0x0106,
  AttributeListError: 0x0107,
  ProcessingFailure: 0x0110,
  DuplicateSopInstance: 0x0111,
  NoSuchSopInstance: 0x0112,
  NoSuchEventType: 0x0113,
  NoSuchArgument: 0x0114,
  InvalidArgumentValue: 0x0115,
  AttributeValueOutOfRange: 0x0116,
  InvalidSopInstance: 0x0117,
  NoSuchSopClass: 0x0118,
  ClassInstanceConflict: 0x0119,
  MissingAttribute: 0x0120,
  MissingAttributeValue: 0x0121,
  SopClassNotSupported: 0x0122,
  NoSuchActionType: 0x0123,
  NotAuthorized: 0x0124,
  /** The message id is that of another request which is not answered yet. */
  DuplicateInvocation: 0x0210,
  /** No handler serves this operation. */
  UnrecognizedOperation: 0x0211,
  MistypedArgument: 0x0212,
  ResourceLimitation: 0x0213,
});

/** "A900": four hex digits, as the standard writes them. */
export const statusText = (status: number): string => status.toString(16).toUpperCase().padStart(4, '0');

/** Warnings of PS3.7 annex C.4: Bxxx, 0001, and the two of the DIMSE-N services. */
export const isWarning = (status: number): boolean =>
  (status & 0xf000) === 0xb000 || status === 0x0001 || status === 0x0107 || status === 0x0116;

/** Success and warnings (B000–BFFF): the peer has the instance. */
export const isStored = (status: number): boolean => status === 0 || (status & 0xf000) === 0xb000;

/** FF00 and FF01: more responses follow. */
export const isPending = (status: number): boolean => status === 0xff00 || status === 0xff01;
