import type { worker } from '@callosum/contracts';

type Frame = NonNullable<worker.WorkerMessage['message']>;

/**
 * Frames on their way out. Bounded by what it holds: progress of a job replaces its unsent progress, an unsent
 * heartbeat makes another one needless, and the rest are one or two a job.
 */
export class FrameQueue implements AsyncIterable<worker.WorkerMessage> {
  readonly #frames: Frame[] = [];
  #wake: () => void = () => undefined;
  #ended = false;

  get length(): number {
    return this.#frames.length;
  }

  push(frame: Frame): void {
    const same = this.#frames.findIndex((other) => replaces(frame, other));
    if (same >= 0) this.#frames[same] = frame;
    else this.#frames.push(frame);
    this.#wake();
  }

  /** Ends the stream once what waits is sent. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<worker.WorkerMessage> {
    for (;;) {
      const message = this.#frames.shift();
      if (message) yield { message };
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function replaces(frame: Frame, waiting: Frame): boolean {
  if (frame.$case !== 'progress' || waiting.$case !== 'progress') return false;
  return frame.value.jobId === waiting.value.jobId && frame.value.fencingToken === waiting.value.fencingToken;
}
