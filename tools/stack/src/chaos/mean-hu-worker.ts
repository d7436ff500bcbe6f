// A worker in a process of its own: the mean of a volume in Hounsfield units. Small volumes, quick answers: what is
// tried here is the way of a job, not the model.
import { setTimeout as sleep } from 'node:timers/promises';

import { type Job, type JobResult, type Manifest, runWorker } from '@callosum/worker-sdk';

/** A job lives this long, so that faults meet it at every stage. The pipeline's figures leave it out. */
const workMs = Number(process.env['CALLOSUM_MEAN_HU_WORK_MS'] ?? 150);

const manifest: Manifest = {
  model: {
    modelId: 'mean-hu',
    version: '1.0.0',
    name: 'Mean attenuation',
    vendor: 'Callosum',
    intendedUse: 'Gives the jobs of a failure test an answer. Not a medical device.',
  },
  selection: { modality: 'CT', orientation: 'axial', sliceCountMin: 4, preference: 'most-slices' },
  outputs: ['measurements'],
  slots: 2,
  attemptDurationMaxMs: 60_000,
};

async function handle(job: Job): Promise<JobResult> {
  const { data } = await job.readVolume();
  await sleep(workMs);
  let sum = 0;
  for (const value of data) sum += value;
  return {
    measurements: [
      {
        id: 'mean-attenuation',
        // PS3.16 CID 7181 and CID 83.
        concept: { value: '112031', scheme: 'DCM', meaning: 'Attenuation Coefficient' },
        value: Number((sum / data.length).toFixed(2)),
        unit: { value: "[hnsf'U]", scheme: 'UCUM', meaning: 'Hounsfield unit' },
        segmentNumber: 0,
      },
    ],
  };
}

await runWorker({ target: process.env['CALLOSUM_WORKER_TARGET'] ?? '127.0.0.1:50051', manifest, handle }).stopped;
