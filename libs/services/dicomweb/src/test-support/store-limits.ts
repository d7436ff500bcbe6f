import type { StoreLimits } from '../application/store-instances.js';

/** Small enough to be passed by a test. */
export const storeLimits: StoreLimits = {
  requestsMax: 4,
  partsMax: 100,
  partBytesMax: 4_000_000,
  bytesMax: 16_000_000,
  commitsMax: 4,
  metadata: {
    json: { bytesMax: 1_000_000, depthMax: 256, valuesMax: 100_000 },
    instancesMax: 100,
    heldBytesMax: 1_000_000,
  },
  heldBytesMax: 4_000_000,
};
