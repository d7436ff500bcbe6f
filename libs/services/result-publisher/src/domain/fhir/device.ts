import type { Device } from '@callosum/fhir';

import type { Model } from '../result.js';
import { identifierSystems, namedIdentifier } from './coding.js';
import { narrative } from './narrative.js';

/** The Device of one version of a model (R4 Device): who measured, who reported, whose work a Task was. */
export function modelDevice(model: Model): Device {
  const name = model.name || model.modelId;
  return {
    resourceType: 'Device',
    text: narrative(`${name} ${model.version}${model.vendor ? ` by ${model.vendor}` : ''}`, model.intendedUse),
    identifier: [namedIdentifier(identifierSystems.model, model.vendor, model.modelId, model.version)],
    status: 'active',
    ...(model.vendor ? { manufacturer: model.vendor } : {}),
    deviceName: [{ name, type: 'model-name' }],
    modelNumber: model.modelId,
    version: [{ value: model.version }],
    ...(model.intendedUse ? { note: [{ text: `Intended use: ${model.intendedUse}` }] } : {}),
  };
}
