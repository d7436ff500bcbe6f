import { attribute, type Dataset } from './dataset.js';

/** SOP Instance Reference macro (PS3.3 table 10-11). */
export const sopInstanceReference = (object: {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}): Dataset => ({
  '00081150': attribute('UI', object.sopClassUid),
  '00081155': attribute('UI', object.sopInstanceUid),
});
