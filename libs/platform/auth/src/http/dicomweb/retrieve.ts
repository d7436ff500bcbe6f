import type { Rules } from '../access.js';
import { dicomReader, instance, series, study } from './resources.js';

/** WADO-RS. */
export const retrieveRoutes: Rules = {
  [`GET ${study}`]: dicomReader,
  [`GET ${study}/metadata`]: dicomReader,
  [`GET ${series}`]: dicomReader,
  [`GET ${series}/metadata`]: dicomReader,
  [`GET ${instance}`]: dicomReader,
  [`GET ${instance}/metadata`]: dicomReader,
  [`GET ${instance}/frames/:frames`]: dicomReader,
  [`GET ${instance}/bulkdata/*`]: dicomReader,
};
