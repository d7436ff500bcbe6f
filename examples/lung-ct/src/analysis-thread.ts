import { parentPort, workerData } from 'node:worker_threads';
import { analyseLungs, type LungAnalysis } from './measure.js';
import { UnusableVolumeError, type LungVolume } from './volume.js';

/** What the thread answers, once. */
export type ThreadAnswer = { readonly analysis: LungAnalysis } | { readonly unusable: string };

function answer(volume: LungVolume): ThreadAnswer {
  try {
    return { analysis: analyseLungs(volume) };
  } catch (error) {
    // An error's class does not survive the way between threads.
    if (error instanceof UnusableVolumeError) return { unusable: error.code };
    throw error;
  }
}

const answered = answer(workerData as LungVolume);
parentPort?.postMessage(answered, 'analysis' in answered ? [answered.analysis.labelMap.buffer] : []);
