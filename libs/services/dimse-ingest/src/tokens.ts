/** `DimseService[]`: what the DIMSE port answers beside C-ECHO and C-STORE. */
export const DIMSE_SERVICES = Symbol('dimse-ingest.services');
/** `ApplicationEntities`. */
export const APPLICATION_ENTITIES = Symbol('dimse-ingest.application-entities');
/** `ProcedureSteps`. */
export const PROCEDURE_STEPS = Symbol('dimse-ingest.procedure-steps');
/** `ForwardingRules`. */
export const FORWARDING_RULES = Symbol('dimse-ingest.forwarding-rules');
/** `ForwardQueue`. */
export const FORWARD_QUEUE = Symbol('dimse-ingest.forward-queue');
/** `Waker` of the workers of forwarding. */
export const FORWARD_WAKER = Symbol('dimse-ingest.forward-waker');
/** `Destinations`. */
export const DESTINATIONS = Symbol('dimse-ingest.destinations');
/** `Pulls`. */
export const PULLS = Symbol('dimse-ingest.pulls');
/** `Waker` of the workers of pulls. */
export const PULL_WAKER = Symbol('dimse-ingest.pull-waker');
