import { NormalizedStatus, QueryStatus, StoreStatus } from './status.js';

/**
 * A status of a response and when it is given: a line of the status tables of a conformance statement (PS3.2). Whoever
 * answers takes the status from its line, so that a table of them is what is sent.
 */
export interface StatedAnswer {
  readonly status: number;
  /** For people who read the statement. */
  readonly when: string;
}
export type StatedAnswers = Readonly<Record<string, StatedAnswer>>;

const stated = <T extends StatedAnswers>(answers: T): T => Object.freeze(answers);

/** Of a request whatever its operation, before it is looked at. */
export const requestAnswers = stated({
  duplicateMessageId: {
    status: NormalizedStatus.DuplicateInvocation,
    when: 'The message id is that of another request which is not answered yet',
  },
  windowFull: {
    status: NormalizedStatus.ResourceLimitation,
    when: 'It comes while a C-GET is served and the asynchronous operations window is full',
  },
});

export const echoAnswers = stated({
  echoed: { status: NormalizedStatus.Success, when: 'Always' },
});

/** Of every operation but C-ECHO. */
export const operationAnswers = stated({
  unserved: {
    status: NormalizedStatus.UnrecognizedOperation,
    when: 'The SOP class of the presentation context does not have the operation',
  },
  /** Not of an N-EVENT-REPORT, which goes to the user. */
  otherRole: {
    status: NormalizedStatus.SopClassNotSupported,
    when: 'On this presentation context the requestor is the provider (role selection), and we are not',
  },
  defect: { status: NormalizedStatus.ProcessingFailure, when: 'A defect of ours; it is logged' },
});

/** Refusals of a C-STORE before its dataset is looked at. */
export const storeRefusals = stated({
  otherClass: {
    status: StoreStatus.SopClassNotSupported,
    when: 'The SOP class of the command is not that of the presentation context, or the context is not one of Storage',
  },
  withoutInstance: { status: StoreStatus.InvalidSopInstance, when: 'The command has no SOP Instance UID' },
  withoutDataset: { status: StoreStatus.CannotUnderstand, when: 'There is no dataset' },
});

/** What a C-FIND is answered with by the protocol itself (PS3.4 table C.4-1). */
export const findAnswers = stated({
  match: { status: QueryStatus.Pending, when: 'A match' },
  ended: { status: QueryStatus.Success, when: 'There are no more matches' },
  canceled: { status: QueryStatus.Cancel, when: 'A C-CANCEL ended it' },
  identifierTooLong: {
    status: QueryStatus.OutOfResources,
    when: 'The identifier is longer than the limit, or there is no room for it now',
  },
  withoutIdentifier: { status: QueryStatus.IdentifierDoesNotMatchSopClass, when: 'There is no identifier' },
});

/** What a C-MOVE or C-GET is answered with by the protocol itself (PS3.4 tables C.4-2 and C.4-3). */
export const retrieveAnswers = stated({
  progress: { status: QueryStatus.Pending, when: 'Sub-operations go on, with their counts' },
  all: { status: QueryStatus.Success, when: 'All sub-operations succeeded, or nothing was found' },
  some: {
    status: QueryStatus.SubOperationsIncomplete,
    when: 'Some sub-operations failed (Failed SOP Instance UID List names them), or were answered with a warning',
  },
  none: { status: QueryStatus.UnableToPerformSubOperations, when: 'No sub-operation succeeded' },
  canceled: { status: QueryStatus.Cancel, when: 'A C-CANCEL ended it; the counts say how far it was' },
  // Tables C.4-2 and C.4-3 have no A700.
  identifierTooLong: {
    status: QueryStatus.UnableToCalculateMatches,
    when: 'The identifier is longer than the limit, or there is no room for it now',
  },
  withoutIdentifier: { status: QueryStatus.IdentifierDoesNotMatchSopClass, when: 'There is no identifier' },
});

/** Of a C-MOVE alone. */
export const moveRefusals = stated({
  withoutDestination: { status: QueryStatus.MoveDestinationUnknown, when: 'The command names no destination' },
});

/** Refusals of the DIMSE-N operations before a service is asked (PS3.7 annex C). */
export const normalizedRefusals = stated({
  datasetTooLong: {
    status: NormalizedStatus.ResourceLimitation,
    when: 'The dataset is longer than the limit, or there is no room for it now',
  },
});

/** What is wrong with the information of a storage commitment (PS3.4 annex J). */
export const commitmentRefusals = stated({
  unreadable: {
    status: NormalizedStatus.InvalidArgumentValue,
    when: 'The information cannot be read, or a UID in it is missing or none',
  },
  tooManyReferences: {
    status: NormalizedStatus.ResourceLimitation,
    when: 'More references than one request may have',
  },
});

/** N-EVENT-REPORTs on the association on which we asked for a commitment. */
export const reportAnswers = stated({
  taken: { status: NormalizedStatus.Success, when: 'The report is kept' },
  otherTransaction: {
    status: NormalizedStatus.InvalidArgumentValue,
    when: 'It is about a transaction that nobody here asked for',
  },
});
