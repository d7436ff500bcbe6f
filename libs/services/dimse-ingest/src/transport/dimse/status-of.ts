import type { StoreAnswer } from '@callosum/dimse';
import { CallosumError, type ErrorKind } from '@callosum/kernel';

import { UidMismatchError } from '../../domain/errors.js';
import { storeAnswers } from './answers.js';

/** PS3.4 table B.2-1. A policy that refuses an object and an object nobody can read share Cxxx: sending it again does not help. */
const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: storeAnswers.unusable.status,
  conflict: storeAnswers.unusable.status,
  forbidden: storeAnswers.unusable.status,
  'not-found': storeAnswers.defect.status,
  unavailable: storeAnswers.unavailable.status,
  internal: storeAnswers.defect.status,
};

/** The one mapping of our errors to the status of a C-STORE response; the comment is the error's code. */
export function answerOf(error: unknown): StoreAnswer {
  if (!(error instanceof CallosumError)) return { status: storeAnswers.defect.status };
  const status = error instanceof UidMismatchError ? storeAnswers.otherUids.status : statusOfKind[error.kind];
  return { status, comment: error.code };
}
