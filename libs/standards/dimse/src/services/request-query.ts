import { DimseStatusError } from '../errors.js';
import type { AcceptedContext } from '../exchange/contexts.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ResponseMessage, SentRequest } from '../exchange/sent-requests.js';
import { CommandField, type CommandSet, Priority } from '../messages/command-set.js';
import { isPending, isWarning, QueryStatus } from '../status.js';
import { decodeFailedUids } from './failed-uids.js';
import type { Answer, Match, SubOperationCounts } from './handler.js';
import { answerOf } from './request-store.js';

export interface QueryOptions {
  /** Sends a C-CANCEL when it is aborted; what the peer sends after it is passed over. */
  readonly signal?: AbortSignal;
  /** The peer's silence until it counts as gone, in milliseconds; that of the association when absent. */
  readonly responseMs?: number;
  readonly priority?: number;
}

export interface RetrieveOptions extends QueryOptions {
  readonly onProgress?: (counts: SubOperationCounts) => void;
}

/** The final response of a C-MOVE or C-GET, whatever its status: the counts are told also when it failed. */
export interface RetrieveOutcome extends Answer {
  readonly counts: SubOperationCounts;
  readonly failedSopInstanceUids: readonly string[];
}

/**
 * C-FIND (PS3.7 section 9.3.2). A match waits until it is asked for; then the peer is slowed. Ending the iteration
 * early sends a C-CANCEL and waits for the final response; a peer that has sent none `responseMs` later is aborted, for
 * its matches may have no end. Returns the final answer: success, a warning or Cancel.
 * @throws {DimseStatusError} any other final status @throws {AssociationAbortedError}
 */
export async function* requestFind(
  exchange: Exchange,
  context: AcceptedContext,
  identifier: Buffer,
  options: QueryOptions,
): AsyncGenerator<Match, Answer> {
  const request = await query(exchange, context, CommandField.CFindRq, {}, identifier, options);
  let deadline: NodeJS.Timeout | undefined;
  const canceled = (): void => {
    deadline ??= setTimeout(() => {
      if (!request.answered) exchange.abort('dimse.no-response', 'no final response after a C-CANCEL');
    }, options.responseMs ?? exchange.responseMs);
  };
  const stopListening = cancelOn(exchange, context, request, options.signal, canceled);
  let final: ResponseMessage | undefined;
  try {
    for (;;) {
      const response = await request.next();
      if (!isPending(response.status)) {
        final = response;
        return successOf(response);
      }
      if (response.dataset && !options.signal?.aborted) yield { identifier: response.dataset, status: response.status };
    }
  } finally {
    stopListening();
    if (!final) {
      canceled();
      await cancelAndDrain(exchange, context, request);
    }
    clearTimeout(deadline);
  }
}

/** C-MOVE (PS3.7 section 9.3.4) to a destination the peer knows. @throws {AssociationAbortedError} */
export async function requestMove(
  exchange: Exchange,
  context: AcceptedContext,
  destination: string,
  identifier: Buffer,
  options: RetrieveOptions,
): Promise<RetrieveOutcome> {
  const fields = { moveDestination: destination };
  const request = await query(exchange, context, CommandField.CMoveRq, fields, identifier, options);
  return retrieved(exchange, context, request, options);
}

/** C-GET (PS3.7 section 9.3.3); its C-STOREs come to the association's handler. @throws {AssociationAbortedError} */
export async function requestGet(
  exchange: Exchange,
  context: AcceptedContext,
  identifier: Buffer,
  options: RetrieveOptions,
): Promise<RetrieveOutcome> {
  const request = await query(exchange, context, CommandField.CGetRq, {}, identifier, options);
  return retrieved(exchange, context, request, options);
}

function query(
  exchange: Exchange,
  { id, abstractSyntaxUid }: AcceptedContext,
  commandField: number,
  fields: Partial<CommandSet>,
  identifier: Buffer,
  { priority = Priority.Medium, responseMs }: QueryOptions,
): Promise<SentRequest> {
  const command = { affectedSopClassUid: abstractSyntaxUid, priority, ...fields, commandField, hasDataset: true };
  return exchange.request(id, command, identifier, responseMs);
}

async function retrieved(
  exchange: Exchange,
  context: AcceptedContext,
  request: SentRequest,
  { signal, onProgress }: RetrieveOptions,
): Promise<RetrieveOutcome> {
  const stopListening = cancelOn(exchange, context, request, signal);
  try {
    for (;;) {
      const response = await request.next();
      const { remaining = 0, completed = 0, failed = 0, warning = 0 } = response.command;
      const counts = { remaining, completed, failed, warning };
      if (isPending(response.status)) onProgress?.(counts);
      else {
        const { dataset } = response;
        const failedSopInstanceUids = dataset ? decodeFailedUids(dataset, context.transferSyntaxUid) : [];
        return { ...answerOf(response), counts, failedSopInstanceUids };
      }
    }
  } finally {
    stopListening();
  }
}

function successOf(response: ResponseMessage): Answer {
  const answer = answerOf(response);
  const { status, ...details } = answer;
  if (status === QueryStatus.Success || status === QueryStatus.Cancel || isWarning(status)) return answer;
  throw new DimseStatusError(status, details);
}

function cancelOn(
  exchange: Exchange,
  { id }: AcceptedContext,
  request: SentRequest,
  signal: AbortSignal | undefined,
  canceled?: () => void,
): () => void {
  const cancel = (): void => {
    canceled?.();
    exchange.cancel(id, request).catch(() => undefined);
  };
  if (signal?.aborted) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

/** Its place in the window is free only after its final response. */
async function cancelAndDrain(exchange: Exchange, { id }: AcceptedContext, request: SentRequest): Promise<void> {
  try {
    await exchange.cancel(id, request);
    while (isPending((await request.next()).status));
  } catch {
    // The association is gone, and the request with it.
  }
}
