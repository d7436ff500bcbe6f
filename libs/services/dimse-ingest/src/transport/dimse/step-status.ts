import { isTransientDatabaseError } from '@callosum/database';
import { CallosumError } from '@callosum/kernel';

import {
  AttributeNotSettableError,
  DuplicateProcedureStepError,
  InvalidAttributeValueError,
  InvalidProcedureStepUidError,
  MissingAttributeError,
  MissingAttributeValueError,
  NoSuchProcedureStepError,
  ProcedureStepEndedError,
  ProcedureStepError,
} from '../../domain/procedure-step-errors.js';

/** A failed DIMSE-N response (PS3.7 annex C). */
export interface StepFailure {
  readonly status: number;
  /** Error ID (0000,0903). */
  readonly errorId?: number;
  /** Error Comment (0000,0902). */
  readonly comment?: string;
  /** Attribute Identifier List (0000,1005). */
  readonly tags: readonly string[];
}

const processingFailure = 0x0110;
/** No database, or no room: the modality tries again. */
const resourceLimitation = 0x0213;

const statuses: readonly (readonly [error: new (...args: never[]) => ProcedureStepError, status: number])[] = [
  [AttributeNotSettableError, 0x0105],
  [InvalidAttributeValueError, 0x0106],
  [ProcedureStepEndedError, processingFailure],
  [DuplicateProcedureStepError, 0x0111],
  [NoSuchProcedureStepError, 0x0112],
  [InvalidProcedureStepUidError, 0x0117],
  [MissingAttributeError, 0x0120],
  [MissingAttributeValueError, 0x0121],
];

/** The one mapping of our errors to the response of an N-CREATE, N-SET or N-GET of a procedure step. */
export function stepFailureOf(error: unknown): StepFailure {
  if (isTransientDatabaseError(error)) return { status: resourceLimitation, tags: [] };
  if (!(error instanceof CallosumError)) return { status: processingFailure, tags: [] };
  if (!(error instanceof ProcedureStepError)) {
    const status = error.kind === 'unavailable' ? resourceLimitation : processingFailure;
    return { status, tags: [], comment: error.code };
  }
  const status = statuses.find(([kind]) => error instanceof kind)?.[1] ?? processingFailure;
  return {
    status,
    tags: error.tags,
    // LO: 64 characters. Messages name attributes, never values.
    comment: error.message.slice(0, 64),
    // PS3.4 table F.7.2-2.
    ...(error instanceof ProcedureStepEndedError ? { errorId: 0xa710 } : {}),
  };
}
