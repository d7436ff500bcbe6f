import { benchFrame } from './frame.js';
import { benchMetadata } from './metadata.js';
import { benchPictures } from './pictures.js';
import { benchPixels } from './pixels.js';
import { benchQido } from './qido.js';
import type { Part } from './receivers.js';
import { benchStore } from './store.js';
import { benchStudy } from './study.js';
import { benchViewer } from './viewer.js';

/** The parts of the bench by name, in the order in which they run. */
export const parts: Readonly<Record<string, Part>> = {
  store: benchStore,
  metadata: benchMetadata,
  study: benchStudy,
  frame: benchFrame,
  pictures: benchPictures,
  qido: benchQido,
  pixels: benchPixels,
  viewer: benchViewer,
};
