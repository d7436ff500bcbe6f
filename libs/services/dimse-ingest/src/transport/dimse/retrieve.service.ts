import {
  type AssociationInfo,
  DimseStatusError,
  type MoveRequest,
  operationAnswers,
  type QueryRequest,
  type RetrieveAnswer,
  type SubOperationCounts,
} from '@callosum/dimse';
import { count, type Logger } from '@callosum/telemetry';

import type { ApplicationEntities } from '../../application/ports.js';
import type { RetrieveInstances } from '../../application/retrieve-instances.js';
import { UnknownDestinationError } from '../../domain/query-errors.js';
import { readRetrieve, type RetrieveIdentifier } from '../../domain/query-model.js';
import { answerRetrieve, isRelationalRetrieve } from '../../domain/query-negotiation.js';
import type { SubOperations } from '../../domain/sub-operations.js';
import { retrieveAnswers } from './answers.js';
import type { DimseService, OpenAssociation, ServiceHandler } from './dimse-service.js';
import { readIdentifier } from './identifiers.js';
import { acceptQuery, getClasses, moveClasses } from './query-sop-classes.js';
import { queryFailure } from './query-status.js';

type Answering = AsyncGenerator<SubOperationCounts, RetrieveAnswer>;
type Progress = AsyncGenerator<SubOperationCounts, SubOperations>;

const classes = { 'C-MOVE': moveClasses, 'C-GET': getClasses };
type Operation = keyof typeof classes;

/** C-MOVE and C-GET in the Patient Root and Study Root models. */
export class RetrieveService implements DimseService {
  readonly abstractSyntaxUids = [...Object.keys(moveClasses), ...Object.keys(getClasses)];
  readonly accept = acceptQuery;

  constructor(
    private readonly retrieve: RetrieveInstances,
    private readonly entities: Pick<ApplicationEntities, 'callable'>,
    private readonly logger: Logger,
  ) {}

  answerExtended(_sopClassUid: string, information: Uint8Array): Uint8Array | undefined {
    return answerRetrieve(information);
  }

  open({ info }: OpenAssociation): ServiceHandler {
    return {
      move: (request) => this.#answered('C-MOVE', request, info, (selection) => this.#move(request, info, selection)),
      get: (request, sender) =>
        this.#answered('C-GET', request, info, (selection) =>
          this.retrieve.get(selection, sender, info.callingAet, request.signal),
        ),
    };
  }

  async *#move(
    { destination, messageId, signal }: MoveRequest,
    { callingAet }: AssociationInfo,
    selection: RetrieveIdentifier,
  ): Progress {
    const entity = await this.entities.callable(destination);
    if (!entity) throw new UnknownDestinationError();
    return yield* this.retrieve.move(selection, entity, { aet: callingAet, messageId }, signal);
  }

  async *#answered(
    operation: Operation,
    request: QueryRequest & { readonly destination?: string },
    info: AssociationInfo,
    start: (selection: RetrieveIdentifier) => Progress,
  ): Answering {
    const { abstractSyntaxUid, transferSyntaxUid, signal } = request;
    const root = classes[operation][abstractSyntaxUid];
    if (!root) throw new DimseStatusError(operationAnswers.unserved.status);
    const relational = isRelationalRetrieve(info.extendedNegotiation, abstractSyntaxUid);
    try {
      const { dataset } = readIdentifier(request.identifier, transferSyntaxUid, retrieveAnswers.unreadable);
      const operations = yield* start(readRetrieve(dataset, root, relational));
      this.#tell(operation, operations, info, request.destination);
      const { counts, failedSopInstanceUids, firstFailure } = operations;
      return { counts, failedSopInstanceUids, ...(firstFailure === undefined ? {} : { comment: firstFailure }) };
    } catch (error) {
      if (!signal.aborted) throw queryFailure(error, 'retrieve');
      // Ended before anything was sent, while it was looked for.
      return { counts: { remaining: 0, completed: 0, failed: 0, warning: 0 } };
    }
  }

  #tell(
    operation: Operation,
    { counts: { completed, failed, warning, remaining }, firstFailure: code }: SubOperations,
    { id: association, callingAet: aet }: AssociationInfo,
    destination: string | undefined,
  ): void {
    for (const [outcome, number] of Object.entries({ completed, failed, warning })) {
      if (number === 0) continue;
      count('callosum.dimse.sub_operations', number, { 'dicom.operation': operation, 'callosum.outcome': outcome });
    }
    if (failed === 0) return;
    const fields = { aet, association, operation, destination, completed, failed, warning, remaining, code };
    this.logger.warn(fields, 'retrieve.incomplete');
  }
}
