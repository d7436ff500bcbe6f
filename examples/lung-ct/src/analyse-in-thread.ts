import { Worker, type Transferable } from 'node:worker_threads';
import { JobInputUnusableError } from '@callosum/worker-sdk';
import type { ThreadAnswer } from './analysis-thread.js';
import type { LungAnalysis } from './measure.js';
import type { LungVolume } from './volume.js';

/**
 * Analyses in a thread of its own, so that heartbeats go on meanwhile. The voxels move there: `volume.data` is empty
 * afterwards.
 * Thrown when the volume cannot be read as axial slices: JobInputUnusableError. When the signal aborts: its reason.
 */
export async function analyseInThread(
  volume: LungVolume,
  signal: AbortSignal,
  script = new URL('./analysis-thread.js', import.meta.url),
): Promise<LungAnalysis> {
  signal.throwIfAborted();
  const { columns, rows, slices, spacingMm, affine, data, paddingValueHu } = volume;
  const moved: LungVolume = { columns, rows, slices, spacingMm, affine, data, paddingValueHu };
  const thread = new Worker(script, { workerData: moved, transferList: [data.buffer as Transferable] });
  const settled = new AbortController();
  try {
    const answer = await Promise.race([answerOf(thread), reasonOf(signal, settled.signal)]);
    if ('unusable' in answer) throw new JobInputUnusableError(answer.unusable);
    return answer.analysis;
  } finally {
    settled.abort();
    await thread.terminate();
  }
}

function answerOf(thread: Worker): Promise<ThreadAnswer> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => {
      reject(new Error(`The analysis ended without a result (exit code ${String(code)})`));
    });
  });
}

/** Rejects with the reason of a signal; listens until `done` aborts. */
function reasonOf(signal: AbortSignal, done: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { signal: done });
  });
}
