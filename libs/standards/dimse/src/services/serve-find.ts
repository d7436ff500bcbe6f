import type { IncomingRequest } from '../exchange/incoming-request.js';
import { QueryStatus } from '../status.js';
import type { Answer, Match, QueryRequest } from './handler.js';
import { answerTo, operationOf, refusalOf, type Serving, statusFields } from './serving.js';

/** C-FIND (PS3.7 section 9.3.2): a response a match, as fast as the peer reads them, then the final one. */
export async function serveFind(request: IncomingRequest, serving: Serving): Promise<void> {
  const answer = await answered(request, serving);
  await serving.exchange.respond(request, statusFields(answer));
}

async function answered(request: IncomingRequest, { exchange, handler, onError }: Serving): Promise<Answer> {
  const refusal = refusalOf(request, handler.find !== undefined) ?? identifierRefusal(request);
  if (refusal) return refusal;
  let matches: AsyncIterator<Match, Answer | undefined | void> | undefined;
  try {
    matches = handler.find?.(queryOf(request))[Symbol.asyncIterator]();
    for (;;) {
      if (!matches || request.signal.aborted) return { status: QueryStatus.Cancel };
      const next = await matches.next();
      // Stopped by C-CANCEL or A-RELEASE-RQ: there may be more matches.
      if (next.done) return next.value ?? { status: request.signal.aborted ? QueryStatus.Cancel : QueryStatus.Success };
      const { identifier, status = QueryStatus.Pending } = next.value;
      await exchange.respond(request, { status }, identifier);
    }
  } catch (error) {
    return answerTo(error, request, onError);
  } finally {
    // Cancelled, or a response could not be sent: the handler lets go of what it holds.
    await matches?.return?.();
  }
}

export function queryOf(request: IncomingRequest): QueryRequest {
  const { command, dataset = Buffer.alloc(0) } = request;
  return { ...operationOf(request), priority: command.priority ?? 0, identifier: dataset };
}

/** Of a request whose identifier is missing, or longer than we take (PS3.4 table C.4-1). */
export function identifierRefusal({ dataset, tooLong }: IncomingRequest): Answer | undefined {
  if (tooLong)
    return {
      status: QueryStatus.OutOfResources,
      comment: 'the identifier is too long, or there is no room for it now',
    };
  if (!dataset) return { status: QueryStatus.IdentifierDoesNotMatchSopClass, comment: 'no identifier' };
  return undefined;
}
