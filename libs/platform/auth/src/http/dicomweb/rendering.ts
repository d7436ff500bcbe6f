import type { Rules } from '../access.js';
import { dicomReader, instance, series, study } from './resources.js';

const parents = [study, series, instance, `${instance}/frames/:frames`];

/** Rendered resources, thumbnails, and WADO-URI. */
export const renderingRoutes: Rules = {
  ...Object.fromEntries(
    parents.flatMap((path) => [
      [`GET ${path}/rendered`, dicomReader],
      [`GET ${path}/thumbnail`, dicomReader],
    ]),
  ),
  'GET /dicom-web': dicomReader,
  'GET /dicom-web/wado': dicomReader,
};
