import { type Device, type ImagingStudy, type Provenance, type Reference, systems } from '@callosum/fhir';

import { identifierSystems } from './coding.js';
import { narrative } from './narrative.js';

export interface ProvenanceContext {
  /** Tag that stands for an identifier, which Provenance has none of in R4. */
  readonly publication: string;
  readonly targets: readonly Reference[];
  readonly device: Reference<Device>;
  readonly imagingStudy: Reference<ImagingStudy>;
  readonly recorded: Date;
}

/** Who made these resources, from what (R4 Provenance): the model's Device, from the ImagingStudy. */
export function provenance({ publication, targets, device, imagingStudy, recorded }: ProvenanceContext): Provenance {
  return {
    resourceType: 'Provenance',
    meta: { tag: [{ system: identifierSystems.publication, code: publication }] },
    text: narrative('Made by an automatic image analysis from the imaging study'),
    target: [...targets],
    recorded: recorded.toISOString(),
    activity: { coding: [{ system: systems.dataOperation, code: 'CREATE', display: 'create' }] },
    agent: [
      {
        type: { coding: [{ system: systems.provenanceParticipantType, code: 'assembler', display: 'Assembler' }] },
        who: device,
      },
    ],
    entity: [{ role: 'source', what: imagingStudy }],
  };
}
