import { topics } from '@callosum/contracts';
import { newId } from '@callosum/kernel';
import { generateThoraxPhantom } from '@callosum/phantom';
import { type Job, type RunningWorker, runWorker, type WorkerLogger } from '@callosum/worker-sdk';
import { afterAll, expect, it } from 'vitest';

import { until } from './test-support/orchestrator.js';
import { orchestrator, useOrchestrator } from './test-support/use-orchestrator.js';

let vendor: RunningWorker | undefined;

useOrchestrator();
afterAll(() => vendor?.stop());

const quiet = (): void => undefined;
const silent: WorkerLogger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const lung = { value: '39607008', scheme: 'SCT', meaning: 'Lung' };

/** What a vendor writes: everything under −400 HU is "lung". */
async function threshold(job: Job) {
  const volume = await job.readVolume();
  job.progress(0.5, 'threshold');
  const labels = Uint8Array.from(volume.data, (hu) => (hu < -400 ? 1 : 0));
  const { columns, rows, slices } = volume;
  const sha256 = await job.writeLabelMap(labels, { columns, rows, slices });
  const segment = {
    number: 1,
    label: 'Air',
    category: { value: '123037004', scheme: 'SCT', meaning: 'Anatomical Structure' },
    type: lung,
  };
  const voxels = labels.reduce((sum, label) => sum + label, 0);
  return {
    labelMaps: [{ columns, rows, slices, sha256, segments: [segment] }],
    measurements: [
      {
        id: 'volume',
        concept: { value: '118565006', scheme: 'SCT', meaning: 'Volume' },
        value: (voxels * volume.voxelVolumeMm3) / 1000,
        unit: { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' },
        segmentNumber: 1,
      },
    ],
  };
}

it('serves a worker written with the SDK, whichever of both starts first', async () => {
  const { study } = generateThoraxPhantom({ slices: 12, matrix: 64, uidSalt: newId() });
  await orchestrator.complete(study.instances.map(({ bytes }) => bytes));
  await until('the study', async () =>
    orchestrator.database.db.selectFrom('study').select('revision').executeTakeFirst(),
  );
  vendor = runWorker({
    target: orchestrator.workerAddress,
    manifest: {
      model: { modelId: 'threshold', version: '1.0.0', name: 'Threshold', vendor: 'Phantoms', intendedUse: 'Tests' },
      selection: { modality: 'CT', orientation: 'axial', bodyParts: ['CHEST'] },
      outputs: ['label-map', 'measurements'],
      attemptDurationMaxMs: 60_000,
    },
    handle: threshold,
    stopOnSignals: false,
    logger: silent,
  });
  const [completed] = await orchestrator.untilEvents(topics.jobCompleted, study.studyInstanceUid);
  expect(completed?.message.input?.seriesInstanceUid).toBe(study.axialSeriesUid);
  const result = await orchestrator.resultOf(completed?.message);
  expect(result.measurements[0]?.value).toBeGreaterThan(1000);
  const [map] = result.labelMaps;
  expect((await orchestrator.objects.head(map?.artifactKey ?? '')).byteCount).toBe(64 * 64 * 12);
});
