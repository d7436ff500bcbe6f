/** `DimseService[]`: what the DIMSE port answers beside C-ECHO and C-STORE. */
export const DIMSE_SERVICES = Symbol('dimse-ingest.services');
/** `ApplicationEntities`. */
export const APPLICATION_ENTITIES = Symbol('dimse-ingest.application-entities');
/** `LiveEntities`: `EntityDirectory` and `ApplicationEntities` in one. */
export const ENTITY_DIRECTORY = Symbol('dimse-ingest.entity-directory');
/** `EntityTable`: the AEs people keep by the API. */
export const ENTITY_TABLE = Symbol('dimse-ingest.entity-table');
/** `CertificateFiles` for DICOM TLS; undefined where none are set. */
export const DIMSE_CERTIFICATES = Symbol('dimse-ingest.certificates');
/** `ProcedureSteps`. */
export const PROCEDURE_STEPS = Symbol('dimse-ingest.procedure-steps');
/** `Commitments`. */
export const COMMITMENTS = Symbol('dimse-ingest.commitments');
/** `AskedCommitments`. */
export const ASKED_COMMITMENTS = Symbol('dimse-ingest.asked-commitments');
/** `Waker` of whoever reports commitments. */
export const COMMITMENT_WAKER = Symbol('dimse-ingest.commitment-waker');
/** `ForwardingRules`. */
export const FORWARDING_RULES = Symbol('dimse-ingest.forwarding-rules');
/** `ForwardQueue`. */
export const FORWARD_QUEUE = Symbol('dimse-ingest.forward-queue');
/** `Waker` of the workers of forwarding. */
export const FORWARD_WAKER = Symbol('dimse-ingest.forward-waker');
/** `ArchiveObjects`: `KeptObjects`, `CurrentObjects` and `ShownObjects` in one. */
export const ARCHIVE_OBJECTS = Symbol('dimse-ingest.archive-objects');
/** `Destinations`. */
export const DESTINATIONS = Symbol('dimse-ingest.destinations');
/** `Pulls`. */
export const PULLS = Symbol('dimse-ingest.pulls');
/** `Waker` of the workers of pulls. */
export const PULL_WAKER = Symbol('dimse-ingest.pull-waker');
