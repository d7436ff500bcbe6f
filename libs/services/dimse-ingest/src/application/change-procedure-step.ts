import { type DicomDataset, toDicomJson } from '@callosum/dicom';
import type { Clock } from '@callosum/kernel';

import { DuplicateProcedureStepError, NoSuchProcedureStepError } from '../domain/procedure-step-errors.js';
import { ProcedureStep } from '../domain/procedure-step.js';
import type { ProcedureSteps } from './ports.js';
import { factsOf } from './procedure-step-facts.js';

/** A request about a procedure step, as it came. */
export interface StepRequest {
  readonly associationId: string;
  readonly callingAet: string;
  readonly sopInstanceUid: string;
  readonly attributes: DicomDataset;
}

/** What became of the request: `repeated` is success for one that says again what is known, and nobody is told. */
export type StepOutcome = 'changed' | 'repeated';

/**
 * N-CREATE and N-SET of a modality performed procedure step (PS3.4 F.7). The step and the facts that tell of it are
 * committed when these resolve. A request whose response was lost may come again: it changes nothing and is success.
 */
export class ChangeProcedureStep {
  constructor(
    private readonly steps: ProcedureSteps,
    private readonly clock: Clock,
  ) {}

  /** @throws {DuplicateProcedureStepError} and what `ProcedureStep.create` throws */
  create(request: StepRequest): Promise<StepOutcome> {
    const given = toDicomJson(request.attributes);
    return this.#change(request, (known) => {
      if (!known) return ProcedureStep.create(request.sopInstanceUid, request.callingAet, given);
      if (known.repeatsCreation(given)) return known;
      throw new DuplicateProcedureStepError();
    });
  }

  /** @throws {NoSuchProcedureStepError} and what `ProcedureStep.set` throws */
  set(request: StepRequest): Promise<StepOutcome> {
    const given = toDicomJson(request.attributes);
    return this.#change(request, (known) => {
      if (!known) throw new NoSuchProcedureStepError();
      return known.set(given);
    });
  }

  async #change(
    { sopInstanceUid, associationId }: StepRequest,
    next: (known: ProcedureStep | undefined) => ProcedureStep,
  ): Promise<StepOutcome> {
    const changed = await this.steps.change(sopInstanceUid, associationId, (known) => {
      const step = next(known);
      return step === known ? undefined : { step, facts: factsOf(step, this.clock.now()) };
    });
    return changed ? 'changed' : 'repeated';
  }
}
