/** First wait after a lost connection. */
const initialMs = 200;
/** Short against a lease of a minute: a worker must be back before its lease runs out. */
const capMs = 10_000;

/** Wait after `failures` in a row: doubled each time, capped, a random half taken off against herds. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const full = Math.min(capMs, initialMs * 2 ** Math.min(20, Math.max(0, failures - 1)));
  return full / 2 + (full / 2) * random();
}

/** Waits, or resolves early when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
