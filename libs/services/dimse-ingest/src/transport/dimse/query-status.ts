import { DimseStatusError, type StatedAnswer } from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';

import {
  IdentifierError,
  SearchTooBroadError,
  TooManyInstancesError,
  TooManyRetrievesError,
  UnknownDestinationError,
} from '../../domain/query-errors.js';
import { findAnswers, moveAnswers, retrieveAnswers } from './answers.js';

/**
 * The one mapping of our errors to the status of a C-FIND (PS3.4 table C.4-1), C-MOVE (C.4-2) or C-GET (C.4-3). The
 * comment is for people: what is wrong, or our code. What is no error of ours is a defect and stays what it is.
 */
export function queryFailure(error: unknown, operation: 'find' | 'retrieve'): unknown {
  if (error instanceof DimseStatusError || !(error instanceof CallosumError)) return error;
  const { status } = answerTo(error, operation);
  const offendingElements = error instanceof IdentifierError ? error.tags.map((tag) => parseInt(tag, 16)) : [];
  const comment = error.kind === 'unavailable' ? error.code : error.message;
  return new DimseStatusError(status, { comment, offendingElements }, { cause: error });
}

function answerTo(error: CallosumError, operation: 'find' | 'retrieve'): StatedAnswer {
  const answers = operation === 'find' ? findAnswers : retrieveAnswers;
  if (error instanceof IdentifierError) return answers.wrongIdentifier;
  if (error instanceof SearchTooBroadError) return operation === 'find' ? findAnswers.tooBroad : answers.indexAway;
  if (error instanceof TooManyInstancesError) return retrieveAnswers.tooMany;
  if (error instanceof TooManyRetrievesError) return retrieveAnswers.busy;
  if (error instanceof UnknownDestinationError) return moveAnswers.unknownDestination;
  return error.kind === 'unavailable' ? answers.indexAway : answers.failed;
}
