import type { Job, JobResult } from '@callosum/worker-sdk';
import { analyseInThread } from './analyse-in-thread.js';
import { toInferenceResult } from './result.js';
import type { LungVolume } from './volume.js';
import type { LungAnalysis } from './measure.js';

/** How a volume is analysed; a thread unless a test wants it here. */
export type Analyse = (volume: LungVolume, signal: AbortSignal) => Promise<LungAnalysis>;

/** One job: reads the volume, finds and measures the lungs, sends the mask and gives the coded result. */
export async function handleJob(job: Job, analyse: Analyse = analyseInThread): Promise<JobResult> {
  job.progress(0, 'reading');
  const volume = await job.readVolume();
  job.progress(0.3, 'segmenting');
  const { columns, rows, slices } = volume;
  const analysis = await analyse(volume, job.signal);
  if (!analysis.measurements.both) return toInferenceResult(analysis);
  job.progress(0.8, 'writing');
  const sha256 = await job.writeLabelMap(analysis.labelMap, { columns, rows, slices });
  return toInferenceResult(analysis, { columns, rows, slices, sha256 });
}
