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

/** Which request it is, and the fields of its own: an event or action type, the attributes an N-GET asks for. */
export type NormalizedCommand = Pick<
  CommandSet,
  'commandField' | 'eventTypeId' | 'actionTypeId' | 'attributeIdentifiers'
>;

/** N-EVENT-REPORT and N-CREATE name what they affect, the others what they request something of. */
const affecting: readonly number[] = [CommandField.NEventReportRq, CommandField.NCreateRq];

/** N-EVENT-REPORT, N-GET, N-SET, N-ACTION, N-CREATE or N-DELETE (PS3.7 section 10.1). @throws {AssociationAbortedError} */
export async function requestNormalized(
  exchange: Exchange,
  { id, abstractSyntaxUid }: Pick<AcceptedContext, 'id' | 'abstractSyntaxUid'>,
  command: NormalizedCommand,
  { sopClassUid = abstractSyntaxUid, sopInstanceUid, dataset }: NormalizedOperation,
): Promise<NormalizedAnswer> {
  const uids: Partial<CommandSet> = affecting.includes(command.commandField)
    ? {
        affectedSopClassUid: sopClassUid,
        ...(sopInstanceUid === undefined ? {} : { affectedSopInstanceUid: sopInstanceUid }),
      }
    : {
        requestedSopClassUid: sopClassUid,
        ...(sopInstanceUid === undefined ? {} : { requestedSopInstanceUid: sopInstanceUid }),
      };
  const request = await exchange.request(id, { ...command, ...uids, hasDataset: dataset !== undefined }, dataset);
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
