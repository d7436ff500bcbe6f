import { setTimeout as sleep } from 'node:timers/promises';

import { inference, type worker } from '@callosum/contracts';
import { isTransient, Patience, type Waker } from '@callosum/event-log';
import { type Clock, errorMessage } from '@callosum/kernel';
import { currentTraceparent, type Logger, withSpan } from '@callosum/telemetry';
import { ServerError, Status } from 'nice-grpc';

import { completeJob } from '../application/complete-job.js';
import type { Artifacts, Attempts, FailureText, HeldJob, LabelMaps, Models } from '../application/ports.js';
import { attemptMs } from '../domain/attempt.js';
import { StaleFencingTokenError, WorkerSilentError } from '../domain/errors.js';
import type { Manifest } from '../domain/manifest.js';
import { Silence } from '../domain/silence.js';
import { isPlainText } from '../domain/text.js';
import { service } from '../tokens.js';
import { duration, offer, type Outbound, refusal, refusalOf } from './messages.js';
import type { OfferedTo } from './offering.js';
import { Outgoing } from './outgoing.js';
import { linksToWorker } from './worker-trace.js';

export interface SessionDependencies {
  readonly attempts: Attempts;
  readonly labelMaps: LabelMaps;
  readonly artifacts: Artifacts;
  readonly models: Models;
  readonly waker: Waker;
  readonly clock: Clock;
  readonly log: Logger;
  readonly orchestratorInstanceId: string;
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  readonly attemptMsMax: number;
  /** Whose credential the worker showed; undefined where none is asked for. */
  readonly vendor?: string | undefined;
}

/** Answers that wait for a worker to read them; then its own frames wait. */
const outgoingMax = 256;
/** A worker holds at most its slots; a heartbeat that names far more is no heartbeat. */
const heldMax = 256;
const modelSeenEveryMs = 60_000;
const stageCharactersMax = 64;
const detailCharactersMax = 500;

type Inbound = NonNullable<worker.WorkerMessage['message']>;
type FrameOfJob = Exclude<Inbound, { $case: 'register' | 'heartbeat' }>;

/** One worker's open stream: its registration, the jobs it holds, and what goes back to it. */
export class WorkerSession implements OfferedTo {
  readonly outgoing = new Outgoing<Outbound>(outgoingMax);
  private registration: { readonly manifest: Manifest; readonly workerInstanceId: string } | undefined;
  private readonly held = new Map<string, bigint>();
  private modelSeenAt = Date.now();

  private readonly silence: Silence;

  constructor(private readonly with_: SessionDependencies) {
    this.silence = new Silence(with_.leaseMs);
  }

  get jobs(): readonly HeldJob[] {
    return [...this.held].map(([jobId, fencingToken]) => ({ jobId, fencingToken }));
  }

  /** The manifest while a slot is free, and the worker not silent. */
  get wants(): Manifest | undefined {
    const { registration, outgoing, silence, held } = this;
    if (!registration || outgoing.isEnded || silence.isUnbroken) return undefined;
    return held.size < registration.manifest.slots ? registration.manifest : undefined;
  }

  get vendor(): string | undefined {
    return this.with_.vendor;
  }

  /** Ends the stream of a worker that has not said what it is. */
  endUnregistered(afterMs: number): void {
    if (!this.registration) this.end(new ServerError(Status.DEADLINE_EXCEEDED, `register within ${afterMs / 1000} s`));
  }

  end(error?: Error): void {
    this.outgoing.end(error);
    this.with_.waker.wake();
  }

  /** Handles the worker's frames one after the other, until it ends the stream or one cannot be handled at all. */
  async read(frames: AsyncIterable<worker.WorkerMessage>): Promise<void> {
    try {
      for await (const { message } of frames) {
        await this.outgoing.room();
        if (this.outgoing.isEnded) return;
        this.silence.heard();
        await this.handlePatiently(message);
      }
      this.end();
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(errorMessage(error)));
    }
  }

  /** A database that fails over must not cost a finished result. Handling a frame twice is harmless. */
  private async handlePatiently(frame: Inbound | undefined): Promise<void> {
    const patience = new Patience();
    for (;;) {
      try {
        return await this.handle(frame);
      } catch (error) {
        const pauseMs = isTransient(error) ? patience.after(error) : undefined;
        if (pauseMs === undefined || this.outgoing.isEnded) throw error;
        await sleep(pauseMs);
      }
    }
  }

  private async handle(frame: Inbound | undefined): Promise<void> {
    if (!frame?.value) return this.say(refusal('', 'invalid-frame', 'the frame holds no message this version knows'));
    if (frame.$case === 'register') return this.register(frame.value);
    if (!this.registration) return this.say(refusal('', 'not-registered', 'register first'));
    if (frame.$case === 'heartbeat') return this.heartbeat(frame.value);
    const { jobId } = frame.value;
    try {
      await this.handleJob(frame);
    } catch (error) {
      const answer = refusalOf(jobId, error);
      if (!answer) throw error;
      this.release(jobId, frame.value.fencingToken);
      this.with_.log.warn({ job: jobId, frame: frame.$case, err: error }, 'worker.frame-refused');
      this.say(answer);
    }
  }

  private async register({ manifest: raw, workerInstanceId, heldJobs }: worker.Register): Promise<void> {
    const { models, attempts, log, waker, orchestratorInstanceId, heartbeatMs, leaseMs, vendor } = this.with_;
    if (this.registration) return this.say(refusal('', 'already-registered', 'a stream registers once'));
    if (!raw) return this.say(refusal('', 'invalid-manifest', 'manifest is missing'));
    if (!/^[\x21-\x7e]{1,128}$/.test(workerInstanceId))
      return this.say(refusal('', 'invalid-manifest', 'worker_instance_id must be 1 to 128 visible ASCII characters'));
    let manifest: Manifest;
    try {
      manifest = await models.register(raw, vendor);
    } catch (error) {
      const answer = refusalOf('', error);
      if (!answer) throw error;
      return this.say(answer);
    }
    const jobs = heldJobs.slice(0, heldMax);
    const resumed = await attempts.renew(workerInstanceId, jobs);
    for (const { jobId, fencingToken } of jobs) if (resumed.has(jobId)) this.held.set(jobId, fencingToken);
    this.registration = { manifest, workerInstanceId };
    const { modelId, version } = manifest.model;
    log.info({ model: modelId, version, worker: workerInstanceId, resumed: resumed.size }, 'worker.registered');
    this.say({
      $case: 'registered',
      value: {
        orchestratorInstanceId,
        heartbeatInterval: duration(heartbeatMs),
        leaseDuration: duration(leaseMs),
        resumedJobIds: [...resumed],
      },
    });
    waker.wake();
  }

  private async heartbeat({ jobs }: worker.Heartbeat): Promise<void> {
    if (!this.registration) return;
    await this.keepModel(this.registration.manifest);
    const asked = jobs.slice(0, heldMax);
    const renewed = await this.with_.attempts.renew(this.registration.workerInstanceId, asked);
    const lost = asked.filter(({ jobId }) => !renewed.has(jobId));
    for (const { jobId, fencingToken } of lost) this.release(jobId, fencingToken);
    this.say({ $case: 'heartbeatAck', value: { lostJobIds: lost.map(({ jobId }) => jobId) } });
  }

  /** Not with every heartbeat: a model is out of use after days. */
  private async keepModel(manifest: Manifest): Promise<void> {
    const now = Date.now();
    if (now - this.modelSeenAt < modelSeenEveryMs) return;
    this.modelSeenAt = now;
    await this.with_.models.seen(manifest);
  }

  private async handleJob(frame: FrameOfJob): Promise<void> {
    const held: HeldJob = frame.value;
    switch (frame.$case) {
      case 'accept':
        return this.accept(held);
      case 'progress':
        return this.progress(held, frame.value);
      case 'complete':
        return this.complete(held, frame.value);
      case 'fail':
        return this.fail(held, frame.value);
    }
  }

  private async accept(held: HeldJob): Promise<void> {
    const renewed = await this.with_.attempts.renew(this.registration?.workerInstanceId ?? '', [held]);
    if (!renewed.has(held.jobId)) throw new StaleFencingTokenError(held.jobId);
  }

  private async progress(held: HeldJob, { fraction, stage }: worker.Progress): Promise<void> {
    const sane = fraction >= 0 && fraction <= 1 && stage.length <= stageCharactersMax && isPlainText(stage);
    if (!sane)
      return this.say(refusal(held.jobId, 'invalid-frame', 'fraction must be 0 to 1, stage at most 64 characters'));
    if (!(await this.with_.attempts.progress(held, fraction, stage))) throw new StaleFencingTokenError(held.jobId);
  }

  private async complete(held: HeldJob, { result, traceparent: said }: worker.CompleteJob): Promise<void> {
    const { attempts, log } = this.with_;
    const traceparent = (await attempts.find(held.jobId))?.traceparent;
    const options = { traceparent, links: linksToWorker(said), attributes: { 'callosum.job': held.jobId } };
    const given = result ?? inference.InferenceResult.fromPartial({});
    await withSpan(service, 'accept result', options, async () => {
      const job = await completeJob(this.with_, held, given);
      // Inside: the line carries the study's trace, not that of the stream the worker holds open.
      log.info({ job: job.id, study: job.studyInstanceUid, attempt: job.attempts }, 'job.completed');
    });
    this.silence.worked();
    this.say({ $case: 'accepted', value: { jobId: held.jobId } });
    this.release(held.jobId, held.fencingToken);
  }

  private async fail(held: HeldJob, { kind, detail, traceparent: said }: worker.FailJob): Promise<void> {
    const { attempts, log } = this.with_;
    const job = await attempts.held(held);
    const failure = (kind as string) === 'FAILURE_KIND_INPUT_UNUSABLE' ? 'input-unusable' : 'transient';
    const text = await this.textOf(job.id, detail);
    const options = {
      traceparent: job.traceparent,
      links: linksToWorker(said),
      attributes: { 'callosum.job': job.id, 'callosum.failure': failure },
    };
    await withSpan(service, 'end attempt', options, async () => {
      const after = await attempts.fail(held, failure, text);
      if (!after) throw new StaleFencingTokenError(held.jobId);
      log.warn({ job: job.id, failure, attempt: job.attempts, state: after.state }, 'attempt.failed');
    });
    this.silence.worked();
    this.release(held.jobId, held.fencingToken);
  }

  /** What the worker says goes no way but the artifact's: it may hold what nobody can check. */
  private async textOf(jobId: string, detail: string): Promise<FailureText> {
    const said = isPlainText(detail) ? detail.slice(0, detailCharactersMax) : '';
    return said === '' ? { ours: '' } : { worker: await this.with_.artifacts.store(jobId, { detail: said }) };
  }

  async offerOne(): Promise<boolean> {
    const { registration, wants } = this;
    if (!registration || !wants) return false;
    const job = await this.with_.attempts.claim(wants, registration.workerInstanceId);
    if (!job) return false;
    this.held.set(job.id, job.fencingToken);
    const options = {
      traceparent: job.traceparent,
      attributes: { 'callosum.job': job.id, 'callosum.attempt': job.attempts, 'callosum.study': job.studyInstanceUid },
    };
    const attemptForMs = attemptMs(registration.manifest.attemptMsMax, this.with_.attemptMsMax);
    await withSpan(service, 'offer job', options, () =>
      Promise.resolve(this.say(offer(job, attemptForMs, currentTraceparent()))),
    );
    return true;
  }

  /** Superseded, taken by the deadline, or given to another worker after the lease. */
  async takeBack(lost: readonly HeldJob[]): Promise<void> {
    for (const { jobId, fencingToken } of lost) {
      // A frame handled meanwhile may have ended it already.
      if (this.held.get(jobId) !== fencingToken) continue;
      this.release(jobId, fencingToken);
      const job = await this.with_.attempts.find(jobId);
      if (job?.state === 'completed') continue;
      if (job?.lastFailure === 'lease-expired') this.silence.lostLease(performance.now());
      const reason = job?.state === 'superseded' || job?.state === 'failed' ? job.state : 'lease-lost';
      this.say({ $case: 'cancel', value: { jobId, reason } });
    }
    if (this.outgoing.isEnded || !this.silence.isTooMuch(performance.now())) return;
    this.with_.log.warn({ worker: this.registration?.workerInstanceId }, 'worker.silent');
    this.end(new WorkerSilentError());
  }

  private release(jobId: string, fencingToken: bigint): void {
    if (this.held.get(jobId) !== fencingToken) return;
    this.held.delete(jobId);
    this.with_.waker.wake();
  }

  private say(message: Outbound): void {
    this.outgoing.push(message);
  }
}
