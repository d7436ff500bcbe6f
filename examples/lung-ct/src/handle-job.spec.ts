import { JobInputUnusableError, type Job, type Volume } from '@callosum/worker-sdk';
import { describe, expect, it } from 'vitest';
import { analyseInThread } from './analyse-in-thread.js';
import { handleJob } from './handle-job.js';
import { analyseLungs } from './index.js';

const [columns, rows, slices] = [64, 48, 24];

/** Two lungs in a body, 6 mm voxels; `lungHu` at soft tissue gives a body without lungs. */
function chest(lungHu: number): Volume {
  const data = new Int16Array(columns * rows * slices).fill(-1000);
  for (let index = 0; index < data.length; index++) {
    const x = 6 * (index % columns) - 189;
    const y = 6 * (Math.floor(index / columns) % rows) - 141;
    const z = 6 * Math.floor(index / columns / rows) - 69;
    if ((x / 165) ** 2 + (y / 110) ** 2 > 1) continue;
    data[index] = ((Math.abs(x) - 75) / 50) ** 2 + (y / 75) ** 2 + (z / 60) ** 2 < 1 ? lungHu : 40;
  }
  return {
    columns,
    rows,
    slices,
    data,
    affine: [6, 0, 0, -189, 0, 6, 0, -141, 0, 0, 6, 0, 0, 0, 0, 1],
    spacingMm: [6, 6, 6],
    voxelVolumeMm3: 216,
    frameOfReferenceUid: '1.2.3',
    sopInstanceUids: [],
    irregularities: [],
    bodyPartExamined: 'CHEST',
    patientPosition: 'HFS',
  };
}

/** A job as the worker SDK gives it, without an orchestrator behind it. */
function jobOf(volume: Volume): { job: Job; written: Uint8Array[]; stages: string[] } {
  const written: Uint8Array[] = [];
  const stages: string[] = [];
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const job: Job = {
    jobId: 'job',
    studyInstanceUid: '1.2',
    seriesInstanceUid: '1.2.1',
    attempt: 1,
    deadline: new Date(Date.now() + 60_000),
    signal: new AbortController().signal,
    log,
    readVolume: () => Promise.resolve(volume),
    writeLabelMap: (labels) => {
      written.push(labels);
      return Promise.resolve('cd'.repeat(32));
    },
    progress: (_, stage) => {
      stages.push(stage);
    },
  };
  return { job, written, stages };
}

const here = (volume: Volume): Promise<ReturnType<typeof analyseLungs>> => Promise.resolve(analyseLungs(volume));

describe('a job', () => {
  it('sends the mask and names it in the result', async () => {
    const { job, written, stages } = jobOf(chest(-850));
    const result = await handleJob(job, (volume) => here(volume as Volume));
    expect(written).toHaveLength(1);
    expect(new Set(written[0])).toEqual(new Set([0, 1, 2]));
    expect(result.labelMaps?.[0]).toMatchObject({ columns, rows, slices, sha256: 'cd'.repeat(32) });
    expect(result.measurements).toHaveLength(6);
    expect(stages).toEqual(['reading', 'segmenting', 'writing']);
  });

  it('without lungs in view sends no mask, and says so', async () => {
    const { job, written } = jobOf(chest(40));
    const result = await handleJob(job, (volume) => here(volume as Volume));
    expect(written).toEqual([]);
    expect(result).toMatchObject({ measurements: [], labelMaps: [], warnings: [{ code: 'no-lungs' }] });
  });
});

describe('the thread', () => {
  const script = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const answering = (answer: string): URL =>
    script(`import { parentPort, workerData } from 'node:worker_threads'; parentPort.postMessage(${answer});`);
  const never = new AbortController().signal;

  it('is given the voxels and gives back the analysis', async () => {
    const volume = chest(-850);
    const answer = '{ analysis: { labelMap: new Uint8Array([workerData.data.length % 256]), rows: workerData.rows } }';
    const voxels = volume.data.length;
    expect(await analyseInThread(volume, never, answering(answer))).toMatchObject({
      labelMap: Uint8Array.of(voxels % 256),
      rows,
    });
    // Moved, not copied: a large volume is in memory once.
    expect(volume.data).toHaveLength(0);
  });

  it('tells an unusable input from a failure', async () => {
    const unusable = analyseInThread(chest(-850), never, answering("{ unusable: 'not-axial' }"));
    await expect(unusable).rejects.toThrow(JobInputUnusableError);
    await expect(analyseInThread(chest(-850), never, script("throw new Error('broken')"))).rejects.toThrow('broken');
    await expect(analyseInThread(chest(-850), never, script('process.exit(3)'))).rejects.toThrow('exit code 3');
  });

  it('ends when the job is aborted', async () => {
    const abort = new AbortController();
    const running = analyseInThread(chest(-850), abort.signal, script('setInterval(() => undefined, 1000)'));
    abort.abort(new Error('lease lost'));
    await expect(running).rejects.toThrow('lease lost');
  });
});
