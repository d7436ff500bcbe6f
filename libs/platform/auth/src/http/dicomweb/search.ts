import type { Rules } from '../access.js';
import { dicomReader, series, study } from './resources.js';

/** QIDO-RS. */
export const searchRoutes: Rules = {
  'GET /dicom-web/studies': dicomReader,
  'GET /dicom-web/series': dicomReader,
  'GET /dicom-web/instances': dicomReader,
  [`GET ${study}/series`]: dicomReader,
  [`GET ${study}/instances`]: dicomReader,
  [`GET ${series}/instances`]: dicomReader,
};
