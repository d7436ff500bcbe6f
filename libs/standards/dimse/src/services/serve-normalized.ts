import { normalizedRefusals, operationAnswers } from '../answers.js';
import type { IncomingRequest } from '../exchange/incoming-request.js';
import { CommandField, type CommandSet } from '../messages/command-set.js';
import type { NormalizedAnswer, NormalizedRequest, RequestHandler } from './handler.js';
import { answerTo, operationOf, refusalOf, type Serving, statusFields } from './serving.js';

/** N-EVENT-REPORT, N-GET, N-SET, N-ACTION, N-CREATE and N-DELETE (PS3.7 section 10.1). */
export async function serveNormalized(request: IncomingRequest, serving: Serving): Promise<void> {
  const { command } = request;
  const answer = await answered(request, serving);
  const { dataset, errorId, attributeIdentifiers } = answer;
  const sopInstanceUid = instanceUidOf(command) ?? answer.sopInstanceUid;
  const fields: Partial<CommandSet> = {
    ...statusFields(answer),
    ...(errorId === undefined ? {} : { errorId }),
    ...(attributeIdentifiers && attributeIdentifiers.length > 0 ? { attributeIdentifiers } : {}),
    ...(sopInstanceUid === undefined ? {} : { affectedSopInstanceUid: sopInstanceUid }),
    // Said again where a reply goes with it (PS3.7 tables 10.3-2 and 10.3-8).
    ...(dataset && command.eventTypeId !== undefined ? { eventTypeId: command.eventTypeId } : {}),
    ...(dataset && command.actionTypeId !== undefined ? { actionTypeId: command.actionTypeId } : {}),
  };
  await serving.exchange.respond(request, fields, dataset);
}

async function answered(request: IncomingRequest, { handler, onError }: Serving): Promise<NormalizedAnswer> {
  const call = callFor(request, handler);
  // Notifications come from the SCP to its SCU; peers that open an association for them rarely select roles.
  const isNotification = request.command.commandField === CommandField.NEventReportRq;
  const unserved = call ? undefined : { status: operationAnswers.unserved.status };
  const refusal = isNotification ? unserved : refusalOf(request, call !== undefined);
  if (refusal) return refusal;
  if (request.tooLong)
    return {
      status: normalizedRefusals.datasetTooLong.status,
      comment: 'the dataset is too long, or there is no room for it now',
    };
  try {
    return (await call?.()) ?? { status: operationAnswers.unserved.status };
  } catch (error) {
    return answerTo(error, request, onError);
  }
}

/** The handler's method for this request, when it has one; type ids of 0 stand for none. */
function callFor(request: IncomingRequest, handler: RequestHandler): (() => Promise<NormalizedAnswer>) | undefined {
  const { command, dataset } = request;
  const sopInstanceUid = instanceUidOf(command);
  const normalized: NormalizedRequest = {
    ...operationOf(request),
    ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }),
    ...(dataset ? { dataset } : {}),
  };
  const { eventTypeId = 0, actionTypeId = 0, attributeIdentifiers = [] } = command;
  switch (command.commandField) {
    case CommandField.NEventReportRq:
      return handler.nEventReport?.bind(handler, { ...normalized, eventTypeId });
    case CommandField.NGetRq:
      return handler.nGet?.bind(handler, { ...normalized, attributeIdentifiers });
    case CommandField.NSetRq:
      return handler.nSet?.bind(handler, normalized);
    case CommandField.NActionRq:
      return handler.nAction?.bind(handler, { ...normalized, actionTypeId });
    case CommandField.NCreateRq:
      return handler.nCreate?.bind(handler, normalized);
    default:
      return handler.nDelete?.bind(handler, normalized);
  }
}

const instanceUidOf = ({ affectedSopInstanceUid, requestedSopInstanceUid }: CommandSet): string | undefined =>
  requestedSopInstanceUid ?? affectedSopInstanceUid;
