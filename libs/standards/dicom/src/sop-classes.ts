/** SOP Class UIDs of PS3.6 A used by name in Callosum. */
export const CTImageStorage = '1.2.840.10008.5.1.4.1.1.2';
const SecondaryCaptureImageStorage = '1.2.840.10008.5.1.4.1.1.7';

/** Secondary Capture in all its forms (PS3.3 A.8): a picture of a screen, never a measured slice. */
export const isSecondaryCapture = (sopClassUid: string): boolean =>
  sopClassUid === SecondaryCaptureImageStorage || sopClassUid.startsWith(`${SecondaryCaptureImageStorage}.`);
