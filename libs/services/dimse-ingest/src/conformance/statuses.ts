import { NormalizedStatus, QueryStatus, StoreStatus } from '@callosum/dimse';

/** A status of a response, and when the node gives it. */
export type StatusRow = readonly [status: number, when: string];

export const storeStatuses: readonly StatusRow[] = [
  [
    StoreStatus.Success,
    'The object is durable: its bytes are flushed and its row is committed. Also for an object that is kept already, a correction, an older dataset sent again, and other pixels or another Study or Series Instance UID under a known UID (kept beside the first, which stays current)',
  ],
  [StoreStatus.ProcessingFailure, 'A defect of ours; it is logged'],
  [StoreStatus.InvalidSopInstance, 'The command has no SOP Instance UID'],
  [StoreStatus.SopClassNotSupported, 'The SOP class of the command is not that of its presentation context'],
  [
    StoreStatus.OutOfResources,
    'Disk, database or outbox cannot take it now: the sender keeps its copy and sends it again',
  ],
  [StoreStatus.DatasetDoesNotMatchSopClass, 'SOP Class or SOP Instance UID of the dataset is not that of the command'],
  [
    StoreStatus.CannotUnderstand,
    'No whole dataset in the transfer syntax of the context, or a UID of study, series or instance is missing',
  ],
];

export const findStatuses: readonly StatusRow[] = [
  [QueryStatus.Pending, 'A match'],
  [QueryStatus.PendingOptionalKeysUnsupported, 'A match, and some keys were not matched by'],
  [QueryStatus.Success, 'There are no more matches'],
  [QueryStatus.Cancel, 'A C-CANCEL ended it'],
  [
    QueryStatus.OutOfResources,
    'The index cannot answer now, the query finds nothing for 30 s, or the identifier is longer than CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX',
  ],
  [
    QueryStatus.IdentifierDoesNotMatchSopClass,
    'Query/Retrieve Level or a unique key above it is missing or wrong (Offending Element names it), or a value cannot be matched',
  ],
  [QueryStatus.UnableToProcess, 'The identifier cannot be read'],
  [NormalizedStatus.ProcessingFailure, 'A defect of ours; it is logged'],
];

export const worklistStatuses: readonly StatusRow[] = [
  [QueryStatus.Pending, 'A scheduled procedure step'],
  [QueryStatus.PendingOptionalKeysUnsupported, 'A scheduled procedure step, and some keys were not matched by'],
  [QueryStatus.Success, 'There are no more'],
  [QueryStatus.Cancel, 'A C-CANCEL ended it'],
  [
    QueryStatus.OutOfResources,
    'The FHIR server cannot answer now, or the query would read more orders than CALLOSUM_WORKLIST_ORDERS_MAX, there are more than 20 patients of one Patient ID, or the identifier is longer than CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX',
  ],
  [
    QueryStatus.IdentifierDoesNotMatchSopClass,
    'The identifier cannot be read, or a key cannot be used (Error Comment names its tag)',
  ],
  [QueryStatus.UnableToProcess, 'The FHIR server refuses to answer'],
  [NormalizedStatus.ProcessingFailure, 'A defect of ours; it is logged'],
];

export const getStatuses: readonly StatusRow[] = [
  [QueryStatus.Pending, 'Sub-operations go on; told at least once a second'],
  [QueryStatus.Success, 'All sub-operations succeeded, or nothing was found'],
  [QueryStatus.SubOperationsIncomplete, 'Some sub-operations failed; Failed SOP Instance UID List names them'],
  [QueryStatus.Cancel, 'A C-CANCEL ended it; the counts say how far it was'],
  [QueryStatus.OutOfResources, 'The identifier is longer than CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX'],
  [
    QueryStatus.UnableToCalculateMatches,
    'The index cannot answer now, or there are more instances than CALLOSUM_DIMSE_RETRIEVE_INSTANCES_MAX',
  ],
  [
    QueryStatus.UnableToPerformSubOperations,
    'No sub-operation succeeded, or as many retrieves as CALLOSUM_DIMSE_RETRIEVES_MAX run already, or half as many of this AE',
  ],
  [
    QueryStatus.IdentifierDoesNotMatchSopClass,
    'Level or unique keys are missing or wrong (Offending Element names them), or there are more than 10,000 UIDs',
  ],
  [QueryStatus.UnableToProcess, 'The identifier cannot be read'],
  [NormalizedStatus.ProcessingFailure, 'A defect of ours; it is logged'],
];

export const moveStatuses: readonly StatusRow[] = [
  ...getStatuses,
  [QueryStatus.MoveDestinationUnknown, 'The destination is no AE we may call'],
];

export const commitmentStatuses: readonly StatusRow[] = [
  [NormalizedStatus.Success, 'The request is durable: it will be answered by an N-EVENT-REPORT'],
  [
    NormalizedStatus.InvalidArgumentValue,
    'Action information without a Transaction UID or references, or not readable',
  ],
  [NormalizedStatus.NoSuchSopInstance, 'Not the well-known SOP instance 1.2.840.10008.1.20.1.1'],
  [NormalizedStatus.NoSuchSopClass, 'Not the SOP class of the Push Model'],
  [NormalizedStatus.NoSuchActionType, 'Another action than 1'],
  [
    NormalizedStatus.ResourceLimitation,
    'Too many references in one request, too many requests that wait for their report, a dataset longer than CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX, or the database cannot take it now',
  ],
  [NormalizedStatus.ProcessingFailure, 'A defect of ours; it is logged'],
];

export const stepStatuses: readonly StatusRow[] = [
  [NormalizedStatus.Success, 'The change is durable; also for a request that comes again as it was'],
  [NormalizedStatus.NoSuchAttribute, 'N-SET of an attribute that only N-CREATE may give'],
  [
    NormalizedStatus.InvalidAttributeValue,
    'A value the step may not have, as another status than IN PROGRESS at first',
  ],
  [
    NormalizedStatus.ProcessingFailure,
    'The step has ended and may not be changed (Error ID A710); the attribute list cannot be read (Error Comment says so); or a defect of ours',
  ],
  [NormalizedStatus.DuplicateSopInstance, 'N-CREATE of a UID that is known with another attribute list'],
  [NormalizedStatus.NoSuchSopInstance, 'N-SET of an unknown step'],
  [NormalizedStatus.InvalidSopInstance, 'A SOP Instance UID that is no UID'],
  [NormalizedStatus.NoSuchSopClass, 'The SOP class of the command is not that of its presentation context'],
  [NormalizedStatus.MissingAttribute, 'An attribute of type 1 or 2 is missing'],
  [NormalizedStatus.MissingAttributeValue, 'An attribute of type 1 is empty'],
  [
    NormalizedStatus.ResourceLimitation,
    'The dataset is longer than CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX, or the database cannot take it now',
  ],
];

export const stepRetrieveStatuses: readonly StatusRow[] = [
  [NormalizedStatus.Success, 'The attributes asked for, or all of them'],
  [0x0001, 'Some of the attributes asked for are not there (Attribute Identifier List names them)'],
  [NormalizedStatus.NoSuchSopInstance, 'No such step is kept'],
  [NormalizedStatus.NoSuchSopClass, 'The SOP class of the command is not that of its presentation context'],
  [NormalizedStatus.ResourceLimitation, 'The database cannot answer now'],
  [NormalizedStatus.ProcessingFailure, 'A defect of ours; it is logged'],
];

/** Of any request, whatever its service. */
export const commonStatuses: readonly StatusRow[] = [
  [NormalizedStatus.DuplicateInvocation, 'The message id is that of another request which is not answered yet'],
  [NormalizedStatus.UnrecognizedOperation, 'The SOP class of the context does not have the operation'],
  [NormalizedStatus.SopClassNotSupported, 'On this context the requestor is the provider (SCP) and not we'],
];
