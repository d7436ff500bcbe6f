import { storeRefusals } from '../answers.js';
import type { IncomingRequest } from '../exchange/incoming-request.js';
import type { Answer, StoreRequest } from './handler.js';
import { answerTo, operationOf, refusalOf, type Serving, statusFields } from './serving.js';

/** C-STORE (PS3.7 section 9.3.1): answered when the handler has settled and the whole dataset came. */
export async function serveStore(request: IncomingRequest, serving: Serving): Promise<void> {
  const { affectedSopInstanceUid } = request.command;
  const answer = await answered(request, serving);
  request.stream?.destroy();
  await request.received;
  await serving.exchange.respond(request, {
    ...statusFields(answer),
    ...(affectedSopInstanceUid === undefined ? {} : { affectedSopInstanceUid }),
  });
}

async function answered(request: IncomingRequest, { handler, onError }: Serving): Promise<Answer> {
  const { command, stream } = request;
  const { affectedSopInstanceUid: sopInstanceUid, moveOriginatorAet, moveOriginatorMessageId } = command;
  const refusal = refusalOfStore(request, handler.store !== undefined);
  if (refusal) {
    handler.refused?.({ operation: 'C-STORE', sopInstanceUid, status: refusal.status });
    return refusal;
  }
  if (!sopInstanceUid || !stream || !handler.store) throw new TypeError('a C-STORE that was to be refused');
  const originator =
    moveOriginatorAet !== undefined && moveOriginatorMessageId !== undefined
      ? { moveOriginator: { aet: moveOriginatorAet, messageId: moveOriginatorMessageId } }
      : {};
  const store: StoreRequest = { ...operationOf(request), ...originator, sopInstanceUid, dataset: stream };
  try {
    return await handler.store(store);
  } catch (error) {
    return answerTo(error, request, onError);
  }
}

function refusalOfStore(request: IncomingRequest, handled: boolean): Answer | undefined {
  const { command, context, stream } = request;
  const refusal = refusalOf(request, handled);
  if (refusal) return refusal;
  if (!context.storage || command.affectedSopClassUid !== context.abstractSyntaxUid)
    return { status: storeRefusals.otherClass.status };
  if (!command.affectedSopInstanceUid) return { status: storeRefusals.withoutInstance.status };
  return stream ? undefined : { status: storeRefusals.withoutDataset.status, comment: 'no dataset' };
}
