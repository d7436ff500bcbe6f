import {
  DimseStatusError,
  type GetAttributesRequest,
  type NormalizedAnswer,
  type NormalizedRequest,
  operationAnswers,
  type StatedAnswer,
} from '@callosum/dimse';
import { newId, uuidToUid } from '@callosum/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { ChangeProcedureStep, type StepRequest } from '../../application/change-procedure-step.js';
import { GetProcedureStep } from '../../application/get-procedure-step.js';
import { stepAnswers, stepRetrieveAnswers } from './answers.js';
import type { DimseService, OpenAssociation, ServiceHandler } from './dimse-service.js';
import { datasetOfRequest, messageBytes, messageContext, tagNumber, tagText } from './message-datasets.js';
import { stepFailureOf, type StepRefusals } from './step-status.js';

/** Modality Performed Procedure Step and its Retrieve SOP class (PS3.4 F.7, F.8). */
export const procedureStepClass = '1.2.840.10008.3.1.2.3.3';
export const procedureStepRetrieveClass = '1.2.840.10008.3.1.2.3.4';

/** What modalities say of their procedure steps: N-CREATE and N-SET, and N-GET for whoever asks how it went. */
@Injectable()
export class ProcedureStepService implements DimseService {
  readonly abstractSyntaxUids = [procedureStepClass, procedureStepRetrieveClass];
  readonly accept = messageContext;

  constructor(
    @Inject(ChangeProcedureStep) private readonly changeStep: ChangeProcedureStep,
    @Inject(GetProcedureStep) private readonly getStep: GetProcedureStep,
  ) {}

  open({ info }: OpenAssociation): ServiceHandler {
    const stepRequest = (request: NormalizedRequest, sopInstanceUid: string): StepRequest => ({
      associationId: info.id,
      callingAet: info.callingAet,
      sopInstanceUid,
      attributes: datasetOfRequest(request),
    });
    return {
      nCreate: (request) =>
        answered(request, procedureStepClass, stepAnswers, async () => {
          // PS3.7 10.1.5.1.4: a requestor may leave the UID to us.
          const made = request.sopInstanceUid === undefined ? uuidToUid(newId()) : undefined;
          await this.changeStep.create(stepRequest(request, request.sopInstanceUid ?? made ?? ''));
          return { status: stepAnswers.changed.status, ...(made === undefined ? {} : { sopInstanceUid: made }) };
        }),
      nSet: (request) =>
        answered(request, procedureStepClass, stepAnswers, async () => {
          await this.changeStep.set(stepRequest(request, request.sopInstanceUid ?? ''));
          return { status: stepAnswers.changed.status };
        }),
      nGet: (request) => answered(request, procedureStepRetrieveClass, stepRetrieveAnswers, () => this.#get(request)),
    };
  }

  async #get({
    sopInstanceUid = '',
    attributeIdentifiers,
    transferSyntaxUid,
  }: GetAttributesRequest): Promise<NormalizedAnswer> {
    const attributes = await this.getStep.execute(sopInstanceUid, attributeIdentifiers.map(tagText));
    const unknown = attributeIdentifiers.filter((tag) => attributes[tagText(tag)] === undefined);
    return {
      status: (unknown.length > 0 ? stepRetrieveAnswers.some : stepRetrieveAnswers.all).status,
      ...(unknown.length > 0 ? { attributeIdentifiers: unknown } : {}),
      dataset: messageBytes(attributes, transferSyntaxUid),
    };
  }
}

/** @throws {DimseStatusError} the response of a failure */
async function answered(
  request: NormalizedRequest,
  sopClassUid: string,
  answers: StepRefusals & { readonly otherClass: StatedAnswer },
  work: () => Promise<NormalizedAnswer>,
): Promise<NormalizedAnswer> {
  if (request.abstractSyntaxUid !== sopClassUid) throw new DimseStatusError(operationAnswers.unserved.status);
  if (request.sopClassUid !== sopClassUid) throw new DimseStatusError(answers.otherClass.status);
  try {
    return await work();
  } catch (error) {
    const { status, tags, comment, errorId } = stepFailureOf(error, answers);
    throw new DimseStatusError(
      status,
      {
        attributeIdentifiers: tags.map(tagNumber),
        ...(comment === undefined ? {} : { comment }),
        ...(errorId === undefined ? {} : { errorId }),
      },
      { cause: error },
    );
  }
}
