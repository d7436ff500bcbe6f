import { AttemptOverError, TooManyTransfersError } from '../domain/errors.js';
import type { Attempts, HeldJob } from '../application/ports.js';

/**
 * Reads and uploads of one job at once: one of each, and as many again that a worker has given up but the network has
 * not. A stream has at most its slots of jobs, so that this bounds a stream too.
 */
const transfersOfJobMax = 4;

/** Transfers of voxels under way. None outlives its attempt, and a job has few at once. */
export class Transfers {
  private readonly ofJob = new Map<string, number>();

  constructor(private readonly attempts: Attempts) {}

  /**
   * Passes `source` on until it ends or the attempt does, also while it is waited for.
   * @throws {TooManyTransfersError} @throws {AttemptOverError} when the time is up
   */
  async *within<T>(held: HeldJob, source: AsyncIterable<T>): AsyncGenerator<T> {
    const { jobId } = held;
    const under = this.ofJob.get(jobId) ?? 0;
    if (under >= transfersOfJobMax) throw new TooManyTransfersError(jobId);
    this.ofJob.set(jobId, under + 1);
    try {
      yield* untilOver(source, await this.attempts.remainingMs(held), new AttemptOverError(jobId));
    } finally {
      const left = (this.ofJob.get(jobId) ?? 1) - 1;
      if (left > 0) this.ofJob.set(jobId, left);
      else this.ofJob.delete(jobId);
    }
  }
}

async function* untilOver<T>(source: AsyncIterable<T>, remainingMs: number, over: Error): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(over), remainingMs);
  });
  // It may run out while nobody waits, between two parts.
  end.catch(() => undefined);
  try {
    for (;;) {
      const step = await Promise.race([end, iterator.next()]);
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    clearTimeout(timer);
    // Not awaited: a generator that waits for a silent peer returns only when that peer speaks.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
