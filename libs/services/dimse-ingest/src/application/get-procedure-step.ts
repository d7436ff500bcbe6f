import type { DicomJson } from '@callosum/dicom';

import { NoSuchProcedureStepError } from '../domain/procedure-step-errors.js';
import type { ProcedureSteps } from './ports.js';

/** N-GET of a modality performed procedure step (PS3.4 F.8). */
export class GetProcedureStep {
  constructor(private readonly steps: ProcedureSteps) {}

  /**
   * @param asked tags of the Attribute Identifier List, eight upper-case hex digits each; none: all (PS3.7 10.1.2.1.4)
   * @returns text in Unicode; what is asked and not known is left out
   * @throws {NoSuchProcedureStepError}
   */
  async execute(sopInstanceUid: string, asked: readonly string[] = []): Promise<DicomJson> {
    const step = await this.steps.find(sopInstanceUid);
    if (!step) throw new NoSuchProcedureStepError();
    const { attributes } = step.state;
    if (asked.length === 0) return attributes;
    const tags = new Set(asked);
    return Object.fromEntries(Object.entries(attributes).filter(([tag]) => tags.has(tag)));
  }
}
