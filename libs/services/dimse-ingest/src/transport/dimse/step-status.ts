import { isTransientDatabaseError } from '@callosum/database';
import { operationAnswers, type StatedAnswer } from '@callosum/dimse';
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
import { stepAnswers, stepEndedErrorId } from './answers.js';

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

const answers: readonly (readonly [error: new (...args: never[]) => ProcedureStepError, answer: StatedAnswer])[] = [
  [AttributeNotSettableError, stepAnswers.notSettable],
  [InvalidAttributeValueError, stepAnswers.invalidValue],
  [ProcedureStepEndedError, stepAnswers.ended],
  [DuplicateProcedureStepError, stepAnswers.duplicate],
  [InvalidProcedureStepUidError, stepAnswers.invalidUid],
  [MissingAttributeError, stepAnswers.missing],
  [MissingAttributeValueError, stepAnswers.empty],
];

/** What N-GET says in words of its own. */
export type StepRefusals = Readonly<Record<'unknown' | 'unavailable', StatedAnswer>>;

/** The one mapping of our errors to the response of an N-CREATE, N-SET or N-GET of a procedure step. */
export function stepFailureOf(error: unknown, { unknown, unavailable }: StepRefusals = stepAnswers): StepFailure {
  if (isTransientDatabaseError(error)) return { status: unavailable.status, tags: [] };
  if (!(error instanceof CallosumError)) return { status: operationAnswers.defect.status, tags: [] };
  if (!(error instanceof ProcedureStepError)) {
    const { status } = error.kind === 'unavailable' ? unavailable : stepAnswers.unreadable;
    return { status, tags: [], comment: error.code };
  }
  const answer = answers.find(([kind]) => error instanceof kind)?.[1] ?? operationAnswers.defect;
  const { status } = error instanceof NoSuchProcedureStepError ? unknown : answer;
  return {
    status,
    tags: error.tags,
    // LO: 64 characters. Messages name attributes, never values.
    comment: error.message.slice(0, 64),
    ...(error instanceof ProcedureStepEndedError ? { errorId: stepEndedErrorId } : {}),
  };
}
