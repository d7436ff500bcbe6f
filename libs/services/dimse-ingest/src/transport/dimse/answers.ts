import { NormalizedStatus, QueryStatus, type StatedAnswers, StoreStatus } from '@callosum/dimse';

// What the services of this node answer, beside what the protocol answers for them (`answers` of @callosum/dimse). The
// conformance statement is made of these lines, and a spec holds that no service answers anything else.

const stated = <T extends StatedAnswers>(answers: T): T => Object.freeze(answers);

/** C-STORE (PS3.4 table B.2-1). */
export const storeAnswers = stated({
  stored: {
    status: StoreStatus.Success,
    when: 'The object is durable: its bytes are flushed and its row is committed. Also for an object that is kept already, a correction, an older dataset sent again, and other pixels or another Study or Series Instance UID under a known UID (kept beside the first, which stays current)',
  },
  unavailable: {
    status: StoreStatus.OutOfResources,
    when: 'Disk, database or outbox cannot take it now: the sender keeps its copy and sends it again',
  },
  otherUids: {
    status: StoreStatus.DatasetDoesNotMatchSopClass,
    when: 'SOP Class or SOP Instance UID of the dataset is not that of the command',
  },
  unusable: {
    status: StoreStatus.CannotUnderstand,
    when: 'No whole dataset in the transfer syntax of the context; a UID of SOP class, study, series or instance is missing or none; or the AE title does not fit the key of a blob; or another object is kept under its UID and CALLOSUM_CONFLICTS is refuse',
  },
  defect: { status: StoreStatus.ProcessingFailure, when: 'A defect of ours; it is logged' },
});

/** C-FIND of the Patient Root and Study Root models (PS3.4 table C.4-1). */
export const findAnswers = stated({
  match: { status: QueryStatus.Pending, when: 'A match' },
  matchOfSomeKeys: {
    status: QueryStatus.PendingOptionalKeysUnsupported,
    when: 'A match, and some keys were not matched by',
  },
  indexAway: {
    status: QueryStatus.OutOfResources,
    when: 'The index cannot answer now, or the query waited for others for a minute, or too many like it wait already',
  },
  tooBroad: { status: QueryStatus.OutOfResources, when: 'The query finds nothing for 30 s' },
  wrongIdentifier: {
    status: QueryStatus.IdentifierDoesNotMatchSopClass,
    when: 'Query/Retrieve Level or a unique key above it is missing or wrong (Offending Element names it), or a value cannot be matched',
  },
  unreadable: { status: QueryStatus.UnableToProcess, when: 'The identifier cannot be read' },
  failed: { status: QueryStatus.UnableToProcess, when: 'The answer of the index cannot be given' },
});

/** C-MOVE and C-GET (PS3.4 tables C.4-2 and C.4-3). */
export const retrieveAnswers = stated({
  indexAway: { status: QueryStatus.UnableToCalculateMatches, when: 'The index cannot answer now' },
  tooMany: {
    status: QueryStatus.UnableToCalculateMatches,
    when: 'There are more instances than CALLOSUM_DIMSE_RETRIEVE_INSTANCES_MAX; nothing is sent',
  },
  busy: {
    status: QueryStatus.UnableToPerformSubOperations,
    when: 'As many retrieves as CALLOSUM_DIMSE_RETRIEVES_MAX run already, or half as many of this AE',
  },
  wrongIdentifier: {
    status: QueryStatus.IdentifierDoesNotMatchSopClass,
    when: 'Level or unique keys are missing or wrong (Offending Element names them), or there are more than 10,000 UIDs',
  },
  unreadable: { status: QueryStatus.UnableToProcess, when: 'The identifier cannot be read' },
  failed: { status: QueryStatus.UnableToProcess, when: 'The answer of the index cannot be used' },
});

/** C-MOVE alone. */
export const moveAnswers = stated({
  unknownDestination: { status: QueryStatus.MoveDestinationUnknown, when: 'The destination is no AE we may call' },
});

/** C-FIND of the modality worklist (PS3.4 annex K). */
export const worklistAnswers = stated({
  match: { status: QueryStatus.Pending, when: 'A scheduled procedure step' },
  matchOfSomeKeys: {
    status: QueryStatus.PendingOptionalKeysUnsupported,
    when: 'A scheduled procedure step, and some keys were not matched by',
  },
  notNow: {
    status: QueryStatus.OutOfResources,
    when: 'The FHIR server cannot answer now, the query would read more orders than CALLOSUM_WORKLIST_ORDERS_MAX, or there are more than 20 patients of one Patient ID',
  },
  wrongIdentifier: {
    status: QueryStatus.IdentifierDoesNotMatchSopClass,
    when: 'The identifier cannot be read, or a key cannot be used (Error Comment names its tag)',
  },
  failed: {
    status: QueryStatus.UnableToProcess,
    when: 'The FHIR server refuses to answer, or its answer cannot be used; also a defect of ours meanwhile',
  },
});

/** N-CREATE and N-SET of a performed procedure step (PS3.4 F.7, PS3.7 annex C). */
export const stepAnswers = stated({
  changed: {
    status: NormalizedStatus.Success,
    when: 'The change is durable; also for a request that comes again as it was',
  },
  notSettable: { status: NormalizedStatus.NoSuchAttribute, when: 'N-SET of an attribute that only N-CREATE may give' },
  invalidValue: {
    status: NormalizedStatus.InvalidAttributeValue,
    when: 'A value the step may not have, as another status than IN PROGRESS at first; a Study, Series or SOP Instance UID that is none; more than 100 studies or 2,000 series, or more than 10,000 of both together (studies times series)',
  },
  ended: {
    status: NormalizedStatus.ProcessingFailure,
    when: 'The step has ended and may not be changed (Error ID A710)',
  },
  unreadable: {
    status: NormalizedStatus.ProcessingFailure,
    when: 'The attribute list cannot be read (Error Comment says so)',
  },
  duplicate: {
    status: NormalizedStatus.DuplicateSopInstance,
    when: 'N-CREATE of a UID that is known with another attribute list',
  },
  unknown: { status: NormalizedStatus.NoSuchSopInstance, when: 'N-SET of a step that is not kept' },
  invalidUid: { status: NormalizedStatus.InvalidSopInstance, when: 'N-CREATE of a SOP Instance UID that is no UID' },
  otherClass: {
    status: NormalizedStatus.NoSuchSopClass,
    when: 'The SOP class of the command is not that of its presentation context',
  },
  missing: { status: NormalizedStatus.MissingAttribute, when: 'An attribute of type 1 or 2 is missing' },
  empty: {
    status: NormalizedStatus.MissingAttributeValue,
    when: 'An attribute of type 1 is empty; a step that is DISCONTINUED may have made no series',
  },
  unavailable: {
    status: NormalizedStatus.ResourceLimitation,
    when: 'The database cannot take it now, or there is no room for more steps, of this AE or of all, until old ones are forgotten',
  },
});
/** Error ID (0000,0903) of an N-SET of a step that has ended: PS3.4 table F.7.2-2. */
export const stepEndedErrorId = 0xa710;

/** N-GET of a performed procedure step (PS3.4 F.8). */
export const stepRetrieveAnswers = stated({
  all: { status: NormalizedStatus.Success, when: 'The attributes asked for, or all of them' },
  /** Requested optional attributes are not supported: PS3.4 table F.8.2-2. */
  some: {
    status: 0x0001,
    when: 'Some of the attributes asked for are not there (Attribute Identifier List names them)',
  },
  unknown: { status: NormalizedStatus.NoSuchSopInstance, when: 'No such step is kept' },
  otherClass: {
    status: NormalizedStatus.NoSuchSopClass,
    when: 'The SOP class of the command is not that of its presentation context',
  },
  unavailable: { status: NormalizedStatus.ResourceLimitation, when: 'The database cannot answer now' },
});

/** N-ACTION of the Storage Commitment Push Model (PS3.4 J.3.2). */
export const commitmentAnswers = stated({
  taken: {
    status: NormalizedStatus.Success,
    when: 'The request is durable: it will be answered by an N-EVENT-REPORT',
  },
  otherInstance: {
    status: NormalizedStatus.NoSuchSopInstance,
    when: 'Not the well-known SOP instance 1.2.840.10008.1.20.1.1',
  },
  otherClass: { status: NormalizedStatus.NoSuchSopClass, when: 'Not the SOP class of the Push Model' },
  otherAction: { status: NormalizedStatus.NoSuchActionType, when: 'Another action than 1' },
  notNow: {
    status: NormalizedStatus.ResourceLimitation,
    when: 'Too many requests wait for their report, or the database cannot take it now',
  },
});

/** N-EVENT-REPORT of the Storage Commitment Push Model, which we take as its user (PS3.4 J.3.3). */
export const commitmentReportAnswers = stated({
  taken: { status: NormalizedStatus.Success, when: 'The report is kept' },
  otherInstance: {
    status: NormalizedStatus.NoSuchSopInstance,
    when: 'Not the well-known SOP instance 1.2.840.10008.1.20.1.1',
  },
  otherClass: { status: NormalizedStatus.NoSuchSopClass, when: 'Not the SOP class of the Push Model' },
  otherEvent: { status: NormalizedStatus.NoSuchEventType, when: 'Another event than 1 and 2' },
  notAsked: {
    status: NormalizedStatus.InvalidArgumentValue,
    when: 'It is about a transaction that was not asked of this AE, or about other instances than were asked for',
  },
  notNow: { status: NormalizedStatus.ResourceLimitation, when: 'The database cannot take it now' },
});
