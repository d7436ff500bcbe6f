import type { worker } from '@callosum/contracts';

import { ConnectionLostError } from './errors.js';
import { FrameQueue } from './frame-queue.js';
import type { WorkerClient } from './job.js';

export type Frame = NonNullable<worker.WorkerMessage['message']>;
export type Heard = NonNullable<worker.OrchestratorMessage['message']>;

/** An orchestrator that takes longer to answer a registration is not there. */
const registerTimeoutMs = 10_000;
/** Heartbeats in a row without a word back before the connection is given up. */
const silentHeartbeatsMax = 3;
const heartbeatMsMin = 10;
const heartbeatMsMax = 60_000;

/** What a connection tells its worker. */
export interface Listener {
  registered(message: worker.Registered): void;
  heard(message: Heard): void;
  /** The jobs of the heartbeat that is about to go out. */
  heartbeatJobs(): ReadonlyMap<string, bigint>;
  /** The answer to the heartbeat of this number, and the jobs it named. */
  heartbeatAnswered(number: number, jobs: ReadonlyMap<string, bigint>, lostJobIds: readonly string[]): void;
}

/** One stream to the orchestrator, from its registration to its end. */
export class Connection {
  /** Heartbeats sent so far. */
  heartbeats = 0;
  readonly #frames = new FrameQueue();
  readonly #abort = new AbortController();
  readonly #unanswered: { readonly number: number; readonly jobs: ReadonlyMap<string, bigint> }[] = [];
  #registered = false;
  #silent = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: WorkerClient,
    private readonly listener: Listener,
  ) {}

  get registered(): boolean {
    return this.#registered;
  }

  /** Frames that wait to be sent. */
  get waiting(): number {
    return this.#frames.length;
  }

  send(frame: Frame): void {
    this.#frames.push(frame);
  }

  /** Says what is left to say, then ends the stream. */
  end(): void {
    this.#frames.end();
  }

  /** Cuts the stream off. */
  cut(error: Error): void {
    this.#abort.abort(error);
  }

  /** Registers and converses until the stream ends. Throws why it broke. */
  async converse(register: worker.Register): Promise<void> {
    this.send({ $case: 'register', value: register });
    this.#timer = setTimeout(
      () => this.cut(new ConnectionLostError('no answer to the registration')),
      registerTimeoutMs,
    );
    try {
      for await (const { message } of this.client.connect(this.#frames, { signal: this.#abort.signal })) {
        if (message) this.#hear(message);
      }
    } catch (error) {
      throw this.#abort.signal.aborted ? this.#abort.signal.reason : error;
    } finally {
      clearTimeout(this.#timer);
      this.#registered = false;
      this.#frames.end();
    }
  }

  #hear(message: Heard): void {
    this.#silent = 0;
    if (message.$case === 'registered') {
      clearTimeout(this.#timer);
      this.#registered = true;
      this.#timer = setInterval(() => this.#beat(), heartbeatMs(message.value));
      this.listener.registered(message.value);
    } else if (message.$case === 'heartbeatAck') {
      const answered = this.#unanswered.shift();
      if (answered) this.listener.heartbeatAnswered(answered.number, answered.jobs, message.value.lostJobIds);
    } else {
      this.listener.heard(message);
    }
  }

  #beat(): void {
    // Counted in beats, not in time: a handler that blocks the event loop delays both its beats and their answers.
    if (++this.#silent > silentHeartbeatsMax) {
      this.cut(new ConnectionLostError('the orchestrator is silent'));
      return;
    }
    const jobs = this.listener.heartbeatJobs();
    this.#unanswered.push({ number: ++this.heartbeats, jobs });
    const held = [...jobs].map(([jobId, fencingToken]) => ({ jobId, fencingToken }));
    this.send({ $case: 'heartbeat', value: { jobs: held } });
  }
}

function heartbeatMs({ heartbeatInterval }: worker.Registered): number {
  const ms = heartbeatInterval ? Number(heartbeatInterval.seconds) * 1000 + heartbeatInterval.nanos / 1e6 : 0;
  return Math.min(heartbeatMsMax, Math.max(heartbeatMsMin, ms > 0 ? ms : 5_000));
}
