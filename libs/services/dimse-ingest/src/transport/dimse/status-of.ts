import { type StoreAnswer, StoreStatus } from '@callosum/dimse';
import { CallosumError, type ErrorKind } from '@callosum/kernel';

import { UidMismatchError } from '../../domain/errors.js';

/** PS3.4 table B.2-1. A policy that refuses an object and an object nobody can read share Cxxx: sending it again does not help. */
const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: StoreStatus.CannotUnderstand,
  conflict: StoreStatus.CannotUnderstand,
  forbidden: StoreStatus.CannotUnderstand,
  'not-found': StoreStatus.ProcessingFailure,
  unavailable: StoreStatus.OutOfResources,
  internal: StoreStatus.ProcessingFailure,
};

/** The one mapping of our errors to the status of a C-STORE response; the comment is the error's code. */
export function answerOf(error: unknown): StoreAnswer {
  if (!(error instanceof CallosumError)) return { status: StoreStatus.ProcessingFailure };
  const status = error instanceof UidMismatchError ? StoreStatus.DatasetDoesNotMatchSopClass : statusOfKind[error.kind];
  return { status, comment: error.code };
}
