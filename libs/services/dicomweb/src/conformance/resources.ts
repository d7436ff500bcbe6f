import type { Resource } from './resource.js';
import { doorResources } from './resources-door.js';
import { renderingResources } from './resources-rendering.js';
import { retrieveResources } from './resources-retrieve.js';
import { searchResources } from './resources-search.js';
import { storeResources } from './resources-store.js';

/** Every resource of DICOMweb that is served here, from one list of each service class. */
export const resources: readonly Resource[] = [
  ...storeResources,
  ...searchResources,
  ...retrieveResources,
  ...renderingResources,
  ...doorResources,
];
