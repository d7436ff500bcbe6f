import { DimseStatusError, QueryStatus } from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';

import {
  IdentifierError,
  SearchTooBroadError,
  TooManyInstancesError,
  TooManyRetrievesError,
  UnknownDestinationError,
} from '../../domain/query-errors.js';

/**
 * The one mapping of our errors to the status of a C-FIND (PS3.4 table C.4-1), C-MOVE (C.4-2) or C-GET (C.4-3). The
 * comment is for people: what is wrong, or our code. What is no error of ours is a defect and stays what it is.
 */
export function queryFailure(error: unknown, operation: 'find' | 'retrieve'): unknown {
  if (error instanceof DimseStatusError || !(error instanceof CallosumError)) return error;
  const status = statusOf(error, operation);
  const offendingElements = error instanceof IdentifierError ? error.tags.map((tag) => parseInt(tag, 16)) : [];
  const comment = error.kind === 'unavailable' ? error.code : error.message;
  return new DimseStatusError(status, { comment, offendingElements }, { cause: error });
}

function statusOf(error: CallosumError, operation: 'find' | 'retrieve'): number {
  const outOfResources = operation === 'find' ? QueryStatus.OutOfResources : QueryStatus.UnableToCalculateMatches;
  if (error instanceof IdentifierError) return QueryStatus.IdentifierDoesNotMatchSopClass;
  if (error instanceof SearchTooBroadError || error instanceof TooManyInstancesError) return outOfResources;
  if (error instanceof TooManyRetrievesError) return QueryStatus.UnableToPerformSubOperations;
  if (error instanceof UnknownDestinationError) return QueryStatus.MoveDestinationUnknown;
  return error.kind === 'unavailable' ? outOfResources : QueryStatus.UnableToProcess;
}
