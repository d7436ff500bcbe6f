import type { Resource } from './resource.js';

const search = (template: string): Resource => ({
  method: 'GET',
  template,
  section: '10.6',
  takes: [],
  gives: ['application/dicom+json', 'multipart/related; type="application/dicom+xml"'],
  parameters: [
    '{attribute}',
    'includefield',
    'fuzzymatching',
    'emptyvaluematching',
    'multiplevaluematching',
    'limit',
    'offset',
    'accept',
    'charset',
  ],
  statuses: [200, 204, 400, 406, 413, 503],
});

/** QIDO-RS. */
export const searchResources: readonly Resource[] = [
  search('/dicom-web/studies'),
  search('/dicom-web/series'),
  search('/dicom-web/instances'),
  search('/dicom-web/studies/:study/series'),
  search('/dicom-web/studies/:study/instances'),
  search('/dicom-web/studies/:study/series/:series/instances'),
];
