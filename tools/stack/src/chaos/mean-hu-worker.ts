// A worker in a process of its own: the mean of a volume in Hounsfield units. Small volumes, quick answers: what is
// tried here is the way of a job, not the model.
import { setTimeout as sleep } from 'node:timers/promises';

import { type Job, type JobResult, type Manifest, runWorker } from '@callosum/worker-sdk';

/** A job lives this long, so that faults meet it at every stage. The pipeline's figures leave it out. */
const workMs = Number(process.env['CALLOSUM_MEAN_HU_WORK_MS'] ?? 150);

/** Beside the mean a mask of what is denser: a result of every kind. */
const withMask = process.env['CALLOSUM_MEAN_HU_MASK'] === 'true';

const manifest: Manifest = {
  model: {
    modelId: 'mean-hu',
    version: '1.0.0',
    name: 'Mean attenuation',
    vendor: 'Callosum',
    intendedUse: 'Gives the jobs of a failure test an answer. Not a medical device.',
  },
  selection: { modality: 'CT', orientation: 'axial', sliceCountMin: 4, preference: 'most-slices' },
  outputs: ['measurements', ...(withMask ? (['label-map'] as const) : [])],
  slots: 2,
  attemptDurationMaxMs: 60_000,
};

/** PS3.16 CID 7150: a tissue, which is all that is known of it. */
const segments = [
  {
    number: 1,
    label: 'Denser than the mean',
    category: { value: '85756007', scheme: 'SCT', meaning: 'Tissue' },
    type: { value: '85756007', scheme: 'SCT', meaning: 'Tissue' },
  },
];

async function handle(job: Job): Promise<JobResult> {
  const { data, columns, rows, slices } = await job.readVolume();
  await sleep(workMs);
  let sum = 0;
  for (const value of data) sum += value;
  const mean = sum / data.length;
  const grid = { columns, rows, slices };
  // The largest is never below the mean: the mask is never empty.
  const mask = (): Uint8Array => Uint8Array.from(data, (value) => (value >= mean ? 1 : 0));
  return {
    ...(withMask ? { labelMaps: [{ ...grid, sha256: await job.writeLabelMap(mask(), grid), segments }] } : {}),
    measurements: [
      {
        id: 'mean-attenuation',
        // PS3.16 CID 7181 and CID 83.
        concept: { value: '112031', scheme: 'DCM', meaning: 'Attenuation Coefficient' },
        value: Number(mean.toFixed(2)),
        unit: { value: "[hnsf'U]", scheme: 'UCUM', meaning: 'Hounsfield unit' },
        segmentNumber: 0,
      },
    ],
  };
}

await runWorker({ target: process.env['CALLOSUM_WORKER_TARGET'] ?? '127.0.0.1:50051', manifest, handle }).stopped;
