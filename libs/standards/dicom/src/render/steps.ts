import { setImmediate } from 'node:timers/promises';

/** Work over many pixels, cut into steps between which others may have their turn. Returns what all of them made. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Samples of a step: less than a millisecond. Of a multiple of two and three, so that no pixel is cut. */
export const stepSamples = 48 * 1024;
/** Others wait no longer than this, and a step more, for whoever takes its turns. */
const turnMs = 4;

/** @param work on the samples from the first to before the second number */
export function* inSteps(count: number, work: (from: number, to: number) => void): Steps<void> {
  for (let from = 0; from < count; from += stepSamples) {
    work(from, Math.min(count, from + stepSamples));
    yield;
  }
}

/** All steps without a pause. */
export function allAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * All steps, with a pause of the event loop after each few milliseconds.
 * @param signal ends the work between two steps, with its reason
 */
export async function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (let since = performance.now(); ;) {
    signal?.throwIfAborted();
    const { done, value } = steps.next();
    if (done === true) return value;
    if (performance.now() - since < turnMs) continue;
    await setImmediate();
    since = performance.now();
  }
}
