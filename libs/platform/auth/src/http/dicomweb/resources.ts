/** Templates of the resources of PS3.18 10.1.1. */
export const study = '/dicom-web/studies/:study';
export const series = `${study}/series/:series`;
export const instance = `${series}/instances/:instance`;

export const dicomReader = ['dicom-reader'] as const;
export const dicomWriter = ['dicom-writer'] as const;
