import { defineService } from '@callosum/runtime';

import { DicomwebModule } from './dicomweb.module.js';
import { dicomwebSettings } from './settings.js';
import { configureDoor } from './transport/http/door.js';

export * from './conformance/statement.js';

/** STOW-RS, QIDO-RS and WADO-RS at /dicom-web, the viewer at /viewer. Owns nothing: archive and study-index do. */
export const dicomweb = defineService({
  name: 'dicomweb',
  settings: dicomwebSettings,
  schema: 'dicomweb',
  migrations: {},
  usesArchive: true,
  receivesObjects: true,
  module: DicomwebModule,
  httpPrefixes: ['/dicom-web', '/viewer'],
  // Lists of frames, and paths into items: as long as a request line may be.
  pathParameterCharsMax: 16_384,
  configureHttp: configureDoor,
});
