/** `ProcedureSteps`. */
export const PROCEDURE_STEPS = Symbol('dimse-ingest.procedure-steps');
