import type { Manifest } from '@callosum/worker-sdk';

/** What this worker declares when it registers. */
export const manifest = {
  model: {
    modelId: 'lung-ct',
    version: '1.0.1',
    name: 'Lung volume and density',
    vendor: 'Callosum',
    intendedUse:
      'Measures the volume of the lungs and their share below -950 HU on axial chest CT of adults. ' +
      'A measurement for a physician to judge, not a diagnosis. Reference worker: not a medical device.',
  },
  selection: {
    modality: 'CT',
    orientation: 'axial',
    // Where scanners put a chest; a series that names no body part is not refused for it.
    bodyParts: ['CHEST', 'THORAX', 'LUNG', 'CHESTABDOMEN', 'CHESTABDPELVIS', 'WHOLEBODY', 'TSPINE', 'HEART'],
    // The method closes the body slice by slice; beyond 6 mm the slices show too little of what lies between.
    sliceSpacingMaxMm: 6,
    // 20 slices of 6 mm are 12 cm: less is not a chest.
    sliceCountMin: 20,
    preference: 'thinnest-slices',
  },
  inputForm: 'hu-volume',
  outputs: ['label-map', 'measurements'],
  slots: 1,
  // 512 × 512 × 1,024: measured at 1.4 GB of memory and 70 s on one busy core; no chest needs more slices.
  volumeLimits: { voxelsMax: 512 * 512 * 1024 },
  attemptDurationMaxMs: 5 * 60_000,
} as const satisfies Manifest;
