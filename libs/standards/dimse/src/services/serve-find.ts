import { findAnswers, type StatedAnswer } from '../answers.js';
import type { IncomingRequest } from '../exchange/incoming-request.js';
import type { Answer, Match, QueryRequest } from './handler.js';
import { answerTo, operationOf, refusalOf, type Serving, statusFields } from './serving.js';

/** C-FIND (PS3.7 section 9.3.2): a response a match, as fast as the peer reads them, then the final one. */
export async function serveFind(request: IncomingRequest, serving: Serving): Promise<void> {
  const answer = await answered(request, serving);
  await serving.exchange.respond(request, statusFields(answer));
}

async function answered(request: IncomingRequest, { exchange, handler, onError }: Serving): Promise<Answer> {
  const refusal = refusalOf(request, handler.find !== undefined) ?? identifierRefusal(request, findAnswers);
  if (refusal) return refusal;
  let matches: AsyncIterator<Match, Answer | undefined | void> | undefined;
  try {
    matches = handler.find?.(queryOf(request))[Symbol.asyncIterator]();
    for (;;) {
      if (!matches || request.signal.aborted) return { status: findAnswers.canceled.status };
      const next = await matches.next();
      // Stopped by C-CANCEL or A-RELEASE-RQ: there may be more matches.
      if (next.done)
        return next.value ?? { status: (request.signal.aborted ? findAnswers.canceled : findAnswers.ended).status };
      const { identifier, status = findAnswers.match.status } = next.value;
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

/** Of a request whose identifier is missing, or longer than we take. */
export function identifierRefusal(
  { dataset, tooLong }: IncomingRequest,
  answers: Readonly<Record<'identifierTooLong' | 'withoutIdentifier', StatedAnswer>>,
): Answer | undefined {
  if (tooLong)
    return {
      status: answers.identifierTooLong.status,
      comment: 'the identifier is too long, or there is no room for it now',
    };
  if (!dataset) return { status: answers.withoutIdentifier.status, comment: 'no identifier' };
  return undefined;
}
