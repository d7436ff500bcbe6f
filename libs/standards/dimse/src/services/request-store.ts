import type { AcceptedContext } from '../exchange/contexts.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ResponseMessage } from '../exchange/sent-requests.js';
import { CommandField, Priority } from '../messages/command-set.js';
import { type Fragment, fragmentsOf } from '../messages/fragments.js';
import { verificationSopClassUid } from '../negotiation.js';
import type { Answer, MoveOriginator, StoreOperation } from './handler.js';

/** C-ECHO (PS3.7 section 9.3.5). @throws {AssociationAbortedError} */
export async function requestEcho(exchange: Exchange, contextId: number): Promise<Answer> {
  const command = { commandField: CommandField.CEchoRq, affectedSopClassUid: verificationSopClassUid };
  const request = await exchange.request(contextId, { ...command, hasDataset: false });
  return answerOf(await request.next());
}

/**
 * C-STORE (PS3.7 section 9.3.1); the dataset's bytes are sent as they are, at the speed the peer takes them.
 * @throws {AssociationAbortedError} the association ended, or `dataset` failed after its first bytes were sent
 * @throws what `dataset` throws before them: nothing was sent then, and the association goes on
 */
export async function requestStore(
  exchange: Exchange,
  { id }: Pick<AcceptedContext, 'id'>,
  { sopClassUid, sopInstanceUid, dataset }: Omit<StoreOperation, 'transferSyntaxUid'>,
  moveOriginator?: MoveOriginator,
): Promise<Answer> {
  const fragments = fragmentsOf(dataset(exchange.fragmentBytes), exchange.fragmentBytes);
  const first = await fragments.next();
  try {
    const command = {
      commandField: CommandField.CStoreRq,
      hasDataset: true,
      affectedSopClassUid: sopClassUid,
      affectedSopInstanceUid: sopInstanceUid,
      priority: Priority.Medium,
      ...(moveOriginator
        ? { moveOriginatorAet: moveOriginator.aet, moveOriginatorMessageId: moveOriginator.messageId }
        : {}),
    };
    const request = await exchange.request(id, command, first.done ? undefined : rejoined(first.value, fragments));
    return answerOf(await request.next());
  } finally {
    // Lets go of what the dataset is read from; it may be waiting for its next bytes.
    fragments.return(undefined).catch(() => undefined);
  }
}

async function* rejoined(first: Fragment, rest: AsyncIterable<Fragment>): AsyncGenerator<Fragment> {
  yield first;
  if (!first.last) yield* rest;
}

export function answerOf({ status, command }: ResponseMessage): Answer {
  const { errorComment: comment, offendingElements } = command;
  return { status, ...(comment ? { comment } : {}), ...(offendingElements ? { offendingElements } : {}) };
}
