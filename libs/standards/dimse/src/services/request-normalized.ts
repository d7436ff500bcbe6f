import type { AcceptedContext } from '../exchange/contexts.js';
import type { Exchange } from '../exchange/exchange.js';
import { CommandField, type CommandSet } from '../messages/command-set.js';
import type { NormalizedAnswer } from './handler.js';
import { answerOf } from './request-store.js';

/** A request of the DIMSE-N services to send; attribute lists and information in the context's transfer syntax. */
export interface NormalizedOperation {
  /** Of the context when absent; another for meta SOP classes and UPS. */
  readonly sopClassUid?: string;
  readonly sopInstanceUid?: string;
  readonly dataset?: Buffer;
}

type Sent = Pick<AcceptedContext, 'id' | 'abstractSyntaxUid'>;

/** N-EVENT-REPORT (PS3.7 section 10.1.1). @throws {AssociationAbortedError} */
export const requestEventReport = (
  exchange: Exchange,
  context: Sent,
  eventTypeId: number,
  operation: NormalizedOperation,
): Promise<NormalizedAnswer> => affected(exchange, context, CommandField.NEventReportRq, operation, { eventTypeId });

/** N-CREATE (PS3.7 section 10.1.5). @throws {AssociationAbortedError} */
export const requestCreate = (
  exchange: Exchange,
  context: Sent,
  operation: NormalizedOperation,
): Promise<NormalizedAnswer> => affected(exchange, context, CommandField.NCreateRq, operation, {});

/** N-GET (PS3.7 section 10.1.2); no identifiers: all attributes. @throws {AssociationAbortedError} */
export const requestGetAttributes = (
  exchange: Exchange,
  context: Sent,
  attributeIdentifiers: readonly number[],
  operation: NormalizedOperation,
): Promise<NormalizedAnswer> =>
  requested(
    exchange,
    context,
    CommandField.NGetRq,
    operation,
    attributeIdentifiers.length > 0 ? { attributeIdentifiers } : {},
  );

/** N-SET (PS3.7 section 10.1.3). @throws {AssociationAbortedError} */
export const requestSet = (
  exchange: Exchange,
  context: Sent,
  operation: NormalizedOperation,
): Promise<NormalizedAnswer> => requested(exchange, context, CommandField.NSetRq, operation, {});

/** N-ACTION (PS3.7 section 10.1.4). @throws {AssociationAbortedError} */
export const requestAction = (
  exchange: Exchange,
  context: Sent,
  actionTypeId: number,
  operation: NormalizedOperation,
): Promise<NormalizedAnswer> => requested(exchange, context, CommandField.NActionRq, operation, { actionTypeId });

/** N-DELETE (PS3.7 section 10.1.6). @throws {AssociationAbortedError} */
export const requestDelete = (
  exchange: Exchange,
  context: Sent,
  operation: NormalizedOperation,
): Promise<NormalizedAnswer> => requested(exchange, context, CommandField.NDeleteRq, operation, {});

function affected(
  exchange: Exchange,
  context: Sent,
  commandField: number,
  { sopClassUid = context.abstractSyntaxUid, sopInstanceUid, dataset }: NormalizedOperation,
  fields: Partial<CommandSet>,
): Promise<NormalizedAnswer> {
  const uids = {
    affectedSopClassUid: sopClassUid,
    ...(sopInstanceUid === undefined ? {} : { affectedSopInstanceUid: sopInstanceUid }),
  };
  return sent(exchange, context, { ...fields, ...uids, commandField, hasDataset: dataset !== undefined }, dataset);
}

function requested(
  exchange: Exchange,
  context: Sent,
  commandField: number,
  { sopClassUid = context.abstractSyntaxUid, sopInstanceUid, dataset }: NormalizedOperation,
  fields: Partial<CommandSet>,
): Promise<NormalizedAnswer> {
  const uids = {
    requestedSopClassUid: sopClassUid,
    ...(sopInstanceUid === undefined ? {} : { requestedSopInstanceUid: sopInstanceUid }),
  };
  return sent(exchange, context, { ...fields, ...uids, commandField, hasDataset: dataset !== undefined }, dataset);
}

async function sent(
  exchange: Exchange,
  { id }: Sent,
  command: CommandSet,
  dataset: Buffer | undefined,
): Promise<NormalizedAnswer> {
  const request = await exchange.request(id, command, dataset);
  const response = await request.next();
  const { errorId, affectedSopInstanceUid, attributeIdentifiers } = response.command;
  return {
    ...answerOf(response),
    ...(response.dataset ? { dataset: response.dataset } : {}),
    ...(errorId === undefined ? {} : { errorId }),
    ...(attributeIdentifiers === undefined ? {} : { attributeIdentifiers }),
    ...(affectedSopInstanceUid === undefined ? {} : { sopInstanceUid: affectedSopInstanceUid }),
  };
}
