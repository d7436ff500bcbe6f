import { defineService } from '@callosum/runtime';

import { DicomwebModule } from './dicomweb.module.js';
import { dicomwebSettings } from './settings.js';

/** STOW-RS, QIDO-RS and WADO-RS at /dicom-web, the viewer at /viewer. Owns nothing: archive and study-index do. */
export const dicomweb = defineService({
  name: 'dicomweb',
  settings: dicomwebSettings,
  schema: 'dicomweb',
  migrations: {},
  usesArchive: true,
  module: DicomwebModule,
  httpPrefixes: ['/dicom-web', '/viewer'],
  // Bodies stay streams: STOW-RS reads them part by part under its own limits.
  configureHttp: (fastify) => {
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  },
});
