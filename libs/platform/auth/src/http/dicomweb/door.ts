import type { Rules } from '../access.js';

/** The viewer's own files hold no data; it signs people in itself and asks /dicom-web with their tokens. */
export const doorRoutes: Rules = {
  'GET /viewer': 'public',
  'GET /viewer/*': 'public',
  // What can be asked, not what is stored; a preflight has no token either.
  'OPTIONS /dicom-web': 'public',
  'OPTIONS /dicom-web/*': 'public',
};
