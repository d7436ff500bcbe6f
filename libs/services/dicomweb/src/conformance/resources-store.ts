import type { Resource } from './resource.js';

const store = (template: string): Resource => ({
  method: 'POST',
  template,
  section: '10.5',
  takes: [
    'multipart/related; type="application/dicom"',
    'application/dicom',
    'multipart/related; type="application/dicom+json"',
    'application/dicom+json',
  ],
  gives: ['application/dicom+json', 'application/dicom+xml'],
  parameters: ['accept'],
  statuses: [200, 202, 400, 406, 408, 409, 413, 415, 503],
});

/** STOW-RS. */
export const storeResources: readonly Resource[] = [
  store('/dicom-web/studies'),
  store('/dicom-web/studies/:study'),
  store('/dicom-web/from/:source/studies'),
  store('/dicom-web/from/:source/studies/:study'),
];
