import { worker } from '@callosum/contracts';
import { type Context, context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

import { pause } from './backoff.js';
import type { Connection, Frame, Heard } from './connection.js';
import { type AbortReason, InvalidResultError, JobAbortedError } from './errors.js';
import { failureOf } from './failure.js';
import { HeldJob, type Job, type WorkerClient } from './job.js';
import type { WorkerLogger } from './logger.js';
import type { Manifest } from './manifest.js';
import { type JobResult, resultToWire } from './result.js';
import { contextOf, traceparentOf, tracer } from './telemetry.js';
import { boundsOf } from './volume.js';

/** A handler that goes on this long after its signal aborted is told of without it. */
const unresponsiveMs: Readonly<Record<AbortReason, number>> = {
  deadline: 5_000,
  stopping: 1_000,
  cancelled: 0,
  'lease-lost': 0,
};
/** gRPC's default bound of a message is 4 MiB; the orchestrator need not raise it. */
const resultBytesMax = 3 * 1024 * 1024;

/** The jobs a worker holds, from their offer until the orchestrator has taken their outcome. */
export class JobBook {
  readonly #jobs = new Map<string, HeldJob>();
  /** Offers beyond the slots wait here, unaccepted: a handler may outlive its job for a while. */
  #offers: worker.JobOffer[] = [];
  #busy = 0;
  #connection: Connection | undefined;
  #closed = false;
  readonly #waiters = new Set<() => void>();

  constructor(
    private readonly client: WorkerClient,
    private readonly manifest: Manifest,
    private readonly handle: (job: Job) => Promise<JobResult>,
    private readonly log: WorkerLogger,
  ) {}

  /** Every job held, with its fencing token. */
  held(): Map<string, bigint> {
    return new Map([...this.#jobs.values()].map(({ jobId, fencingToken }) => [jobId, fencingToken]));
  }

  /** The jobs whose lease is to go on: not those just given back. */
  renewable(): Map<string, bigint> {
    const given = (job: HeldJob): boolean =>
      job.outcome?.$case === 'fail' && job.outcomeSentAfterHeartbeat !== undefined;
    return new Map([...this.#jobs.values()].filter((job) => !given(job)).map((job) => [job.jobId, job.fencingToken]));
  }

  /** A registration was answered: of the jobs it named, only the resumed ones are still ours. */
  connected(connection: Connection, named: ReadonlyMap<string, bigint>, resumedJobIds: readonly string[]): void {
    this.#connection = connection;
    const resumed = new Set(resumedJobIds);
    for (const [jobId, fencingToken] of named) if (!resumed.has(jobId)) this.#drop(jobId, 'lease-lost', fencingToken);
    for (const job of this.#jobs.values()) if (job.outcome) this.#sendOutcome(job);
  }

  disconnected(): void {
    this.#connection = undefined;
    this.#offers = [];
    for (const job of this.#jobs.values()) job.outcomeSentAfterHeartbeat = undefined;
  }

  hear(message: Heard): void {
    switch (message.$case) {
      case 'offer':
        return this.#offered(message.value);
      case 'cancel':
        this.log.info({ jobId: message.value.jobId }, 'job.cancelled');
        this.#offers = this.#offers.filter(({ jobId }) => jobId !== message.value.jobId);
        return this.#drop(message.value.jobId, 'cancelled');
      case 'accepted':
        this.log.info({ jobId: message.value.jobId }, 'job.result-accepted');
        return this.#forget(message.value.jobId);
      case 'refusal':
        return this.#refused(message.value);
      case 'registered':
      case 'heartbeatAck':
        // The connection's own.
        return;
    }
  }

  heartbeatAnswered(number: number, named: ReadonlyMap<string, bigint>, lostJobIds: readonly string[]): void {
    for (const jobId of lostJobIds) this.#drop(jobId, 'lease-lost', named.get(jobId));
    // Frames arrive in order: an answer to a later heartbeat shows that the job was given back.
    for (const job of this.#jobs.values()) {
      const sent = job.outcomeSentAfterHeartbeat;
      if (job.outcome?.$case === 'fail' && sent !== undefined && sent < number) this.#forget(job.jobId);
    }
  }

  /** Takes no more jobs; what is offered from now on is given back. */
  close(): void {
    this.#closed = true;
    for (const offer of this.#offers.splice(0)) this.#giveBack(offer);
  }

  /** Gives back what still runs. */
  giveBackAll(): void {
    for (const job of this.#jobs.values()) if (!job.outcome) job.abort('stopping');
  }

  abandonAll(): void {
    this.#closed = true;
    for (const jobId of [...this.#jobs.keys()]) this.#drop(jobId, 'stopping');
  }

  /** Resolves once nothing is left to be said about any job, at the latest after this time. */
  async emptied(withinMs: number): Promise<void> {
    const enough = new AbortController();
    const check = (): void => {
      const said = (job: HeldJob): boolean =>
        job.outcome?.$case === 'fail' && job.outcomeSentAfterHeartbeat !== undefined;
      if ([...this.#jobs.values()].every(said)) enough.abort();
    };
    this.#waiters.add(check);
    check();
    await pause(withinMs, enough.signal);
    this.#waiters.delete(check);
  }

  #offered(offer: worker.JobOffer): void {
    const holding = this.#jobs.get(offer.jobId);
    if (holding?.fencingToken === offer.fencingToken) return;
    // A newer token: the job was given out again, and to us.
    if (holding) this.#drop(offer.jobId, 'lease-lost');
    this.#offers = this.#offers.filter(({ jobId }) => jobId !== offer.jobId);
    if (this.#closed) this.#giveBack(offer);
    else {
      this.#offers.push(offer);
      this.#takeNext();
    }
  }

  #takeNext(): void {
    while (!this.#closed && this.#busy < (this.manifest.slots ?? 1)) {
      const offer = this.#offers.shift();
      if (!offer) return;
      void this.#run(offer);
    }
  }

  #giveBack({ jobId, fencingToken }: worker.JobOffer): void {
    const kind = worker.FailureKind.FAILURE_KIND_TRANSIENT;
    this.#connection?.send({ $case: 'fail', value: { jobId, fencingToken, kind, detail: 'worker.stopping' } });
  }

  async #run(offer: worker.JobOffer): Promise<void> {
    const { jobId, fencingToken, attempt } = offer;
    const parent = contextOf(offer.traceparent);
    const attributes = {
      'callosum.job.id': jobId,
      'callosum.job.attempt': attempt,
      'callosum.model.id': this.manifest.model.modelId,
      'dicom.study_instance_uid': offer.studyInstanceUid,
    };
    const span = tracer().startSpan('worker.job', { kind: SpanKind.CONSUMER, attributes }, parent);
    const active = trace.setSpan(parent, span);
    const job = new HeldJob(
      offer,
      deadlineMs(offer, this.manifest.attemptDurationMaxMs),
      this.client,
      boundsOf(this.manifest),
      active,
      (frame) => this.#connection?.send(frame),
      this.log,
    );
    this.#jobs.set(jobId, job);
    this.#connection?.send({ $case: 'accept', value: { jobId, fencingToken } });
    job.log.info({ studyInstanceUid: job.studyInstanceUid, seriesInstanceUid: job.seriesInstanceUid }, 'job.started');
    this.#busy++;
    const handled = this.#handled(job, active).finally(() => {
      this.#busy--;
      this.#takeNext();
    });
    const outcome = await Promise.race([handled, unresponsive(job)]);
    endSpan(span, outcome);
    this.#finished(job, inTrace(outcome, active));
  }

  /** Runs the handler; whatever it does becomes a frame. */
  async #handled(job: HeldJob, active: Context): Promise<Frame> {
    const startedAt = new Date();
    const { jobId, fencingToken } = job;
    try {
      const returned = await context.with(active, async () => this.handle(job));
      const times = { startedAt, finishedAt: new Date() };
      const result = resultToWire(returned, times, job.written, this.manifest.outputs);
      const complete = worker.CompleteJob.fromPartial({ jobId, fencingToken, result });
      if (worker.CompleteJob.encode(complete).finish().length > resultBytesMax) {
        throw new InvalidResultError(`a result has at most ${String(resultBytesMax)} bytes`);
      }
      return { $case: 'complete', value: complete };
    } catch (error) {
      if (error instanceof InvalidResultError) job.log.error({ problem: error.message }, 'job.invalid-result');
      return failFrame(job, job.signal.aborted ? job.signal.reason : error);
    }
  }

  #finished(job: HeldJob, outcome: Frame): void {
    job.settle();
    if (this.#jobs.get(job.jobId) !== job) return;
    job.outcome = outcome;
    if (outcome.$case === 'fail')
      job.log.warn({ kind: outcome.value.kind, detail: outcome.value.detail }, 'job.failed');
    else job.log.info({}, 'job.finished');
    this.#sendOutcome(job);
  }

  #sendOutcome(job: HeldJob): void {
    if (!this.#connection || !job.outcome) return;
    job.outcomeSentAfterHeartbeat = this.#connection.heartbeats;
    this.#connection.send(job.outcome);
    this.#changed();
  }

  #refused({ jobId, code }: worker.Refusal): void {
    const job = this.#jobs.get(jobId);
    this.log.warn({ jobId, code }, 'job.refused');
    // Progress that is refused for its form ends no job, and no result that was sent after it.
    if ((job?.outcome && code !== 'invalid-frame') || code.endsWith('stale-fencing-token'))
      this.#drop(jobId, 'lease-lost');
  }

  #drop(jobId: string, reason: AbortReason, fencingToken?: bigint): void {
    const job = this.#jobs.get(jobId);
    if (!job || (fencingToken !== undefined && job.fencingToken !== fencingToken)) return;
    job.abort(reason);
    if (!job.outcome) job.log.warn({ reason }, 'job.aborted');
    this.#forget(jobId);
  }

  #forget(jobId: string): void {
    this.#jobs.delete(jobId);
    this.#changed();
  }

  #changed(): void {
    for (const check of this.#waiters) check();
  }
}

function deadlineMs({ deadline }: worker.JobOffer, manifestMs: number): number {
  const ms = deadline ? Number(deadline.seconds) * 1000 + deadline.nanos / 1e6 : 0;
  return ms > 0 ? ms : manifestMs;
}

/** Resolves only when the handler still runs some time after its signal aborted. */
function unresponsive(job: HeldJob): Promise<Frame> {
  return new Promise((resolve) => {
    job.signal.addEventListener('abort', () => {
      const reason: unknown = job.signal.reason;
      const waitMs = reason instanceof JobAbortedError ? unresponsiveMs[reason.reason] : 0;
      setTimeout(() => resolve(failFrame(job, reason)), waitMs).unref();
    });
  });
}

/** The outcome with the context of the job's span: what the orchestrator makes of it can be followed from here. */
function inTrace(outcome: Frame, active: Context): Frame {
  const traceparent = traceparentOf(active);
  switch (outcome.$case) {
    case 'complete':
      return { $case: 'complete', value: { ...outcome.value, traceparent } };
    case 'fail':
      return { $case: 'fail', value: { ...outcome.value, traceparent } };
    default:
      return outcome;
  }
}

function failFrame({ jobId, fencingToken }: HeldJob, error: unknown): Frame {
  return { $case: 'fail', value: { jobId, fencingToken, ...failureOf(error) } };
}

function endSpan(span: Span, outcome: Frame): void {
  if (outcome.$case === 'fail') {
    span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.value.detail });
    span.setAttribute('error.type', outcome.value.detail);
  }
  span.end();
}
