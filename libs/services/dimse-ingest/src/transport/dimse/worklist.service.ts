import { DicomParseError, DicomWriteError, MalformedMatchError, parseDataset, toDicomJson } from '@callosum/dicom';
import {
  type Answer,
  type ContextAcceptance,
  type ContextProposal,
  DimseStatusError,
  type Match,
  type QueryRequest,
} from '@callosum/dimse';
import { CallosumError, errorCode } from '@callosum/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { FindWorklist } from '../../application/find-worklist.js';
import { readWorklistQuery, type WorklistQuery } from '../../domain/worklist/worklist-query.js';
import { worklistAnswers } from './answers.js';
import type { DimseService, OpenAssociation, ServiceHandler } from './dimse-service.js';
import { identifierLimits } from './identifiers.js';
import { messageBytes, messageContext } from './message-datasets.js';

/** Modality Worklist Information Model, FIND (PS3.4 annex K). */
export const modalityWorklistClass = '1.2.840.10008.5.1.4.31';

/** The worklist of modalities, from the orders of the clinical record. */
@Injectable()
export class WorklistService implements DimseService {
  readonly abstractSyntaxUids = [modalityWorklistClass];

  constructor(@Inject(FindWorklist) private readonly findWorklist: FindWorklist) {}

  accept(proposal: ContextProposal): ContextAcceptance {
    return messageContext(proposal);
  }

  open({ info }: OpenAssociation): ServiceHandler {
    return { find: (request) => this.#find(request, info.callingAet) };
  }

  async *#find(
    { identifier, transferSyntaxUid, signal }: QueryRequest,
    callingAet: string,
  ): AsyncGenerator<Match, Answer | undefined> {
    const { query, characterSet } = read(identifier, transferSyntaxUid);
    const { status } = query.hasUnsupportedKeys ? worklistAnswers.matchOfSomeKeys : worklistAnswers.match;
    try {
      for await (const { orderId, item } of this.findWorklist.execute(query, { callingAet, signal })) {
        const match = written(() => messageBytes(item, transferSyntaxUid, [characterSet]));
        if (match instanceof DicomWriteError) this.findWorklist.leaveOut(orderId, match);
        else yield { identifier: match, status };
      }
      return undefined;
    } catch (error) {
      // A C-CANCEL, or the association is gone: whoever iterates says so.
      if (signal.aborted) return undefined;
      const isLater = error instanceof CallosumError && error.retriable;
      const failed = isLater ? worklistAnswers.notNow : worklistAnswers.failed;
      throw new DimseStatusError(failed.status, { comment: errorCode(error) }, { cause: error });
    }
  }
}

/** @throws {DimseStatusError} the identifier cannot be read */
function read(identifier: Buffer, transferSyntaxUid: string): { query: WorklistQuery; characterSet: string } {
  try {
    const { dataset } = parseDataset(identifier, transferSyntaxUid, { limits: identifierLimits });
    return { query: readWorklistQuery(toDicomJson(dataset)), characterSet: dataset.characterSet };
  } catch (error) {
    if (!(error instanceof MalformedMatchError) && !(error instanceof DicomParseError)) throw error;
    // Both name tags, never values.
    const comment = error.message.slice(0, 64);
    throw new DimseStatusError(worklistAnswers.wrongIdentifier.status, { comment }, { cause: error });
  }
}

function written(write: () => Buffer): Buffer | DicomWriteError {
  try {
    return write();
  } catch (error) {
    if (error instanceof DicomWriteError) return error;
    throw error;
  }
}
