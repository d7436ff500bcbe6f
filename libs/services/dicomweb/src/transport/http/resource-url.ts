import type { KeptInstance } from '../../application/ports/archive.js';

/** URL of an instance (PS3.18 10.1.1), under which its frames and bulk data are. @param baseUrl without a slash at its end */
export const instanceUrl = (
  baseUrl: string,
  { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: KeptInstance,
): string => `${baseUrl}/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
