import { frameMediaTypes } from '../domain/frame-choices.js';
import { pdf } from '../domain/picture-choices.js';
import type { Resource } from './resource.js';

const study = '/dicom-web/studies/:study';
const series = `${study}/series/:series`;
const instance = `${series}/instances/:instance`;

const multipart = (type: string): string => `multipart/related; type="${type}"`;

type Form = Pick<Resource, 'template' | 'section' | 'gives'>;
/** Of a single part as it is stored (RFC 9110 14). */
const ranged = [206, 416];
/** An object of which frames can only be told by walking over it, and that is too large for that. */
const tooLarge = 413;

/** @param more statuses beside those of every retrieve, of which all have entity tags (RFC 9110 13) */
const retrieve = (form: Form, more: readonly number[] = []): Resource => ({
  ...form,
  method: 'GET',
  takes: [],
  parameters: ['accept'],
  statuses: [200, 304, 400, 404, 406, 412, 503, ...more].sort((a, b) => a - b),
});

const instances = (template: string, isOne: boolean): Resource =>
  retrieve(
    {
      template,
      section: '10.4.1.1.1',
      gives: [multipart('application/dicom'), ...(isOne ? ['application/dicom'] : [])],
    },
    isOne ? ranged : [],
  );

const metadata = (template: string, isOne: boolean): Resource =>
  retrieve({
    template: `${template}/metadata`,
    section: '10.4.1.1.2',
    gives: ['application/dicom+json', multipart('application/dicom+xml'), ...(isOne ? ['application/dicom+xml'] : [])],
  });

const pixels = [...frameMediaTypes.map(multipart), ...frameMediaTypes];
/** Of Encapsulated Document (0042,0011). */
const document = [multipart(pdf), pdf];

/** WADO-RS. */
export const retrieveResources: readonly Resource[] = [
  instances(study, false),
  instances(series, false),
  instances(instance, true),
  metadata(study, false),
  metadata(series, false),
  metadata(instance, true),
  retrieve({ template: `${instance}/frames/:frames`, section: '10.4.1.1.6', gives: pixels }, [...ranged, tooLarge]),
  retrieve({ template: `${instance}/bulkdata/*`, section: '10.4.1.1.5', gives: [...pixels, ...document] }, [
    ...ranged,
    tooLarge,
  ]),
];
