import type { Rules } from '../access.js';
import { dicomWriter } from './resources.js';

/** STOW-RS. */
export const storeRoutes: Rules = {
  'POST /dicom-web/studies': dicomWriter,
  'POST /dicom-web/studies/:study': dicomWriter,
  'POST /dicom-web/from/:source/studies': dicomWriter,
  'POST /dicom-web/from/:source/studies/:study': dicomWriter,
};
