import { attribute, type Dataset } from './dataset.js';
import { longString } from './codes.js';
import { deviceUid } from './result-uids.js';
import type { Model } from '../result.js';

/** General and Enhanced General Equipment modules (C.7.5.1, C.7.5.2): the model is what made the object. */
export function equipment(model: Model): Dataset {
  return {
    '00080070': longString(model.vendor || 'Unknown vendor'),
    '00081090': longString(model.name || model.modelId),
    // One of a kind a version: software has no serial number of its own.
    '00181000': longString(deviceUid(model)),
    '00181020': longString(model.version),
  };
}

export const sopCommon = (sopClassUid: string, sopInstanceUid: string): Dataset => ({
  '00080016': attribute('UI', sopClassUid),
  '00080018': attribute('UI', sopInstanceUid),
});
