import { moveRefusals, retrieveAnswers } from '../answers.js';
import { ContextRefusedError } from '../errors.js';
import type { Exchange } from '../exchange/exchange.js';
import type { IncomingRequest } from '../exchange/incoming-request.js';
import type { CommandSet } from '../messages/command-set.js';
import { encodeFailedUids } from './failed-uids.js';
import type { Answer, RetrieveAnswer, SubOperationCounts, SubOperationSender } from './handler.js';
import { requestStore } from './request-store.js';
import { identifierRefusal, queryOf } from './serve-find.js';
import { answerTo, refusalOf, type Serving, statusFields } from './serving.js';

type Progress = AsyncIterable<SubOperationCounts, RetrieveAnswer>;
const none: SubOperationCounts = { remaining: 0, completed: 0, failed: 0, warning: 0 };

/** C-MOVE (PS3.7 section 9.3.4). */
export function serveMove(request: IncomingRequest, serving: Serving): Promise<void> {
  const { move } = serving.handler;
  const { moveDestination: destination } = request.command;
  const start = (): Progress | undefined =>
    destination === undefined ? undefined : move?.call(serving.handler, { ...queryOf(request), destination });
  const refusal = destination === undefined ? { status: moveRefusals.withoutDestination.status } : undefined;
  return serveRetrieve(request, serving, refusalOf(request, move !== undefined) ?? refusal, start);
}

/** C-GET (PS3.7 section 9.3.3): its C-STORE sub-operations go out on the same association. */
export function serveGet(request: IncomingRequest, serving: Serving): Promise<void> {
  const { get } = serving.handler;
  const start = (): Progress | undefined =>
    get?.call(serving.handler, queryOf(request), subOperationSender(serving.exchange));
  return serveRetrieve(request, serving, refusalOf(request, get !== undefined), start);
}

async function serveRetrieve(
  request: IncomingRequest,
  serving: Serving,
  refusal: Answer | undefined,
  start: () => Progress | undefined,
): Promise<void> {
  const { exchange, onError } = serving;
  const refused = refusal ?? identifierRefusal(request, retrieveAnswers);
  if (refused) return exchange.respond(request, statusFields(refused));
  let counts = none;
  let progress: AsyncIterator<SubOperationCounts, RetrieveAnswer> | undefined;
  try {
    progress = start()?.[Symbol.asyncIterator]();
    for (;;) {
      const next = await progress?.next();
      if (!next || next.done) return await respondFinally(request, exchange, next?.value ?? { counts });
      counts = next.value;
      if (!request.signal.aborted)
        await exchange.respond(request, { status: retrieveAnswers.progress.status, ...countFields(counts, true) });
    }
  } catch (error) {
    const answer = answerTo(error, request, onError);
    await exchange.respond(request, { ...statusFields(answer), ...countFields(counts, false) });
  } finally {
    // Where a response could not be sent, nobody asks for more: the handler lets go of what it holds.
    await progress?.return?.();
  }
}

async function respondFinally(request: IncomingRequest, exchange: Exchange, answer: RetrieveAnswer): Promise<void> {
  const { counts, comment, failedSopInstanceUids = [] } = answer;
  const status =
    answer.status ?? (isStopped(request, counts) ? retrieveAnswers.canceled.status : retrieveStatus(counts));
  const identifier =
    failedSopInstanceUids.length > 0 && status !== retrieveAnswers.all.status
      ? encodeFailedUids(failedSopInstanceUids, request.context.transferSyntaxUid)
      : undefined;
  const fields = {
    ...statusFields({ status, ...(comment === undefined ? {} : { comment }) }),
    // "Remaining" belongs to Pending and Cancel only (PS3.4 sections C.4.2.1.6 and C.4.3.1.5).
    ...countFields(counts, status === retrieveAnswers.canceled.status),
  };
  await exchange.respond(request, fields, identifier);
}

/**
 * By C-CANCEL, or by A-RELEASE-RQ before the response, after which no sub-operation begins: what was left out, or could
 * not even be counted, must not end in Success. Where all of them had ended before, nothing was stopped (PS3.4 C.4.2.1.5).
 */
function isStopped(request: IncomingRequest, { remaining, completed, failed, warning }: SubOperationCounts): boolean {
  return request.signal.aborted && (remaining > 0 || completed + failed + warning === 0);
}

/** The final status of a C-MOVE or C-GET by its counts: PS3.4 sections C.4.2.1.5 and C.4.3.1.4. */
export function retrieveStatus({ completed, failed, warning }: SubOperationCounts): number {
  if (failed === 0 && warning === 0) return retrieveAnswers.all.status;
  if (completed === 0 && warning === 0) return retrieveAnswers.none.status;
  return retrieveAnswers.some.status;
}

/** The numbers are of 16 bits. */
function countFields(counts: SubOperationCounts, withRemaining: boolean): Partial<CommandSet> {
  const most = (count: number): number => Math.min(count, 0xffff);
  const { remaining, completed, failed, warning } = counts;
  return {
    ...(withRemaining ? { remaining: most(remaining) } : {}),
    completed: most(completed),
    failed: most(failed),
    warning: most(warning),
  };
}

function subOperationSender(exchange: Exchange): SubOperationSender {
  const contextsFor = (sopClassUid: string) =>
    exchange.contexts.of(sopClassUid).filter(({ storage, weAre }) => storage && weAre.scu);
  return {
    transferSyntaxesFor: (sopClassUid) => contextsFor(sopClassUid).map(({ transferSyntaxUid }) => transferSyntaxUid),
    store: async (object) => {
      const { sopClassUid, transferSyntaxUid } = object;
      const context = contextsFor(sopClassUid).find((other) => other.transferSyntaxUid === transferSyntaxUid);
      if (!context) throw new ContextRefusedError(sopClassUid, transferSyntaxUid, 255);
      return requestStore(exchange, context, object);
    },
  };
}
