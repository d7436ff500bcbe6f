import { z } from 'zod';

import { doorSettings } from './settings-door.js';
import { renderingSettings } from './settings-rendering.js';
import { retrieveSettings } from './settings-retrieve.js';
import { searchSettings } from './settings-search.js';
import { storeSettings } from './settings-store.js';

export const dicomwebSettings = z.object({
  ...doorSettings,
  ...storeSettings,
  ...retrieveSettings,
  ...renderingSettings,
  ...searchSettings,
});
export type DicomwebSettings = z.output<typeof dicomwebSettings>;
