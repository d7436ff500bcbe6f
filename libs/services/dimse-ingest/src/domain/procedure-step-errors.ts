import { CallosumError } from '@callosum/kernel';

import type { Shortfall } from './step-attributes.js';

/** Of a request about a procedure step that cannot be done. Attributes are named, their values never. */
export abstract class ProcedureStepError extends CallosumError {
  /** Tags the response names. */
  readonly tags: readonly string[] = [];
}

/** Thrown when an attribute that the modality must give is absent (PS3.4 5.4.2.1). */
export class MissingAttributeError extends ProcedureStepError {
  override readonly tags: readonly string[];

  constructor({ tags, path }: Shortfall) {
    super('dimse-ingest.missing-attribute', 'invalid', `${path} is missing`);
    this.tags = tags;
  }
}

/** Thrown when an attribute that must have a value has none (PS3.4 5.4.2.1). */
export class MissingAttributeValueError extends ProcedureStepError {
  override readonly tags: readonly string[];

  constructor({ tags, path }: Shortfall) {
    super('dimse-ingest.missing-attribute-value', 'invalid', `${path} has no value`);
    this.tags = tags;
  }
}

/** Thrown when a value is none that the attribute may have. */
export class InvalidAttributeValueError extends ProcedureStepError {
  override readonly tags: readonly string[];

  constructor(tag: string, why: string) {
    super('dimse-ingest.invalid-attribute-value', 'invalid', why);
    this.tags = [tag];
  }
}

/** Thrown when an N-SET changes what only N-CREATE may give (PS3.4 table F.7.2-1, "Not allowed"). */
export class AttributeNotSettableError extends ProcedureStepError {
  override readonly tags: readonly string[];

  constructor(tags: readonly string[]) {
    super('dimse-ingest.attribute-not-settable', 'invalid', 'an attribute can be given by N-CREATE only');
    this.tags = tags;
  }
}

/** Thrown when a step is created under a UID that names another one. */
export class DuplicateProcedureStepError extends ProcedureStepError {
  constructor() {
    super('dimse-ingest.duplicate-procedure-step', 'conflict', 'another procedure step has this SOP Instance UID');
  }
}

/** Thrown when no step has the UID: it was never created, or is no longer kept. */
export class NoSuchProcedureStepError extends ProcedureStepError {
  constructor() {
    super('dimse-ingest.no-such-procedure-step', 'not-found', 'no procedure step has this SOP Instance UID');
  }
}

/** Thrown when a step is changed that is COMPLETED or DISCONTINUED (PS3.4 F.7.2.2.3). */
export class ProcedureStepEndedError extends ProcedureStepError {
  constructor() {
    super('dimse-ingest.procedure-step-ended', 'conflict', 'Performed Procedure Step Object may no longer be updated');
  }
}

/** Thrown when there is no room for a further step, or for what is said of one, of this AE or of all. */
export class TooManyProcedureStepsError extends CallosumError {
  constructor() {
    super('dimse-ingest.too-many-procedure-steps', 'unavailable', 'there is no room for more procedure steps');
  }
}

/** Thrown when the SOP Instance UID of a request is none. */
export class InvalidProcedureStepUidError extends ProcedureStepError {
  constructor() {
    super('dimse-ingest.invalid-procedure-step-uid', 'invalid', 'the SOP Instance UID of the command is no UID');
  }
}
