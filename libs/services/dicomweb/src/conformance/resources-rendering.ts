import { fileMediaTypes, pdf, pictureMediaTypes } from '../domain/picture-choices.js';
import type { Resource } from './resource.js';

const study = '/dicom-web/studies/:study';
const series = `${study}/series/:series`;
const instance = `${series}/instances/:instance`;
const frames = `${instance}/frames/:frames`;

const inMultipart = pictureMediaTypes.map((type) => `multipart/related; type="${type}"`);
// 413: more pictures than an answer has, or a frame or viewport that would take more memory than all of them share.
const statuses = [200, 304, 400, 404, 406, 412, 413, 503];
/** Of a PDF or MP4 as it is in its object (RFC 9110 14). */
const ranged = [206, 416];

const picture = (form: Pick<Resource, 'template' | 'section' | 'gives' | 'parameters'>): Resource => ({
  ...form,
  method: 'GET',
  takes: [],
  statuses: [...statuses, ...(form.gives.includes(pdf) ? ranged : [])].sort((a, b) => a - b),
});

const rendered = (of: string, gives: readonly string[]): Resource =>
  picture({
    template: `${of}/rendered`,
    section: '10.4.1.1.3',
    gives,
    parameters: ['accept', 'quality', 'viewport', 'window'],
  });

const thumbnail = (of: string): Resource =>
  picture({
    template: `${of}/thumbnail`,
    section: '10.4.1.1.4',
    gives: pictureMediaTypes,
    parameters: ['accept', 'viewport'],
  });

const uri = (template: string): Resource =>
  picture({
    template,
    section: '9.3',
    gives: [...pictureMediaTypes, ...fileMediaTypes, 'application/dicom'],
    parameters: [
      ...['requestType', 'studyUID', 'seriesUID', 'objectUID', 'contentType', 'transferSyntax', 'frameNumber'],
      ...['imageQuality', 'rows', 'columns', 'region', 'windowCenter', 'windowWidth'],
    ],
  });

/** Rendered resources, thumbnails and WADO-URI. */
export const renderingResources: readonly Resource[] = [
  rendered(study, inMultipart),
  rendered(series, inMultipart),
  rendered(instance, [...pictureMediaTypes, ...inMultipart, ...fileMediaTypes]),
  rendered(frames, [...pictureMediaTypes, ...inMultipart]),
  ...[study, series, instance, frames].map(thumbnail),
  uri('/dicom-web'),
  uri('/dicom-web/wado'),
];
