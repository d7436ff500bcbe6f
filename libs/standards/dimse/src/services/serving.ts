import { operationAnswers } from '../answers.js';
import { DimseStatusError } from '../errors.js';
import type { Exchange } from '../exchange/exchange.js';
import { canceled, type IncomingRequest } from '../exchange/incoming-request.js';
import type { CommandSet } from '../messages/command-set.js';
import type { Answer, NormalizedAnswer, OperationRequest, RequestHandler } from './handler.js';

/** What serving one request needs beside it. */
export interface Serving {
  readonly exchange: Exchange;
  readonly handler: RequestHandler;
  /** Told of what a handler throws. */
  readonly onError: (error: unknown) => void;
}

export function operationOf({ context, command, messageId, signal }: IncomingRequest): OperationRequest {
  return {
    messageId,
    sopClassUid: command.affectedSopClassUid ?? command.requestedSopClassUid ?? '',
    abstractSyntaxUid: context.abstractSyntaxUid,
    transferSyntaxUid: context.transferSyntaxUid,
    signal,
  };
}

/** The elements of a response that say how it went. */
export function statusFields({ status, comment, offendingElements }: Answer): Partial<CommandSet> {
  return {
    status,
    ...(comment ? { errorComment: comment } : {}),
    ...(offendingElements && offendingElements.length > 0 ? { offendingElements } : {}),
  };
}

/** The answer to what a handler threw: its status, or 0110 for a defect, which is told unless the association is gone. */
export function answerTo(
  error: unknown,
  { signal }: IncomingRequest,
  onError: (error: unknown) => void,
): Answer & Pick<NormalizedAnswer, 'attributeIdentifiers' | 'errorId'> {
  if (error instanceof DimseStatusError) {
    const { status, comment, offendingElements, attributeIdentifiers, errorId } = error;
    return {
      status,
      ...(comment !== undefined ? { comment } : {}),
      ...(offendingElements ? { offendingElements } : {}),
      ...(attributeIdentifiers ? { attributeIdentifiers } : {}),
      ...(errorId !== undefined ? { errorId } : {}),
    };
  }
  if (!signal.aborted || signal.reason === canceled) onError(error);
  return { status: operationAnswers.defect.status };
}

/** Refusals before a handler is asked: the wrong role, or no handler for the operation (PS3.7 annex C). */
export function refusalOf({ context }: IncomingRequest, handled: boolean): Answer | undefined {
  if (!context.weAre.scp) return { status: operationAnswers.otherRole.status };
  return handled ? undefined : { status: operationAnswers.unserved.status };
}
