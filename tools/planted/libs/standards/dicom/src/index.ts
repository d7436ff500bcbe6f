export const dicom = 1;
