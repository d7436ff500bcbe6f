import { worker } from '@callosum/contracts';
import { errorCode } from '@callosum/kernel';
import { contextOf, withSpan } from '@callosum/telemetry';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { type CallContext, ServerError, Status } from 'nice-grpc';

import type { Blobs, Job, Studies } from '../application/ports.js';
import { attemptsOfVendor } from '../application/attempts-of-vendor.js';
import { readVolume, type VolumePart } from '../application/read-volume.js';
import { writeLabelMap } from '../application/write-label-map.js';
import type { AttemptFailure } from '../domain/attempt.js';
import { InputChangedError, InputUnusableError, LabelMapMismatchError } from '../domain/errors.js';
import { service } from '../tokens.js';
import { Offering } from './offering.js';
import { Transfers } from './transfers.js';
import type { WorkerContext } from './worker-auth.js';
import { type SessionDependencies, WorkerSession } from './worker-session.js';

export interface WorkerGrpcDependencies extends SessionDependencies {
  readonly studies: Studies;
  readonly blobs: Blobs;
  /** Streams open at once, of all vendors and of one; who shows no credential is no vendor. */
  readonly streamsMax: number;
  readonly streamsOfVendorMax: number;
}

/** The first frame of a stream is its registration; one that never comes holds a place others need. */
const registerWithinMs = 10_000;

/** callosum.worker.v1.WorkerService. */
export class WorkerGrpc implements worker.WorkerServiceImplementation<WorkerContext> {
  private readonly sessions = new Set<WorkerSession>();
  private draining = false;

  private readonly transfers: Transfers;
  private readonly offering: Offering;

  constructor(private readonly with_: WorkerGrpcDependencies) {
    this.offering = new Offering(with_);
    this.transfers = new Transfers(with_.attempts);
  }

  /** Ends every stream; workers reconnect to another replica and resume within their leases. */
  drain(): void {
    this.draining = true;
    for (const session of this.sessions) session.end();
  }

  async *connect(frames: AsyncIterable<worker.WorkerMessage>, context: CallContext & WorkerContext) {
    const vendor = context.worker?.vendor;
    this.admit(vendor);
    const { signal } = context;
    const session = new WorkerSession({ ...this.forCaller(context), vendor });
    const tooLate = setTimeout(() => session.endUnregistered(registerWithinMs), registerWithinMs);
    const abort = (): void => session.end();
    signal.addEventListener('abort', abort);
    this.sessions.add(session);
    // Neither rejects: what fails ends the stream.
    void session.read(frames);
    this.offering.join(session);
    try {
      for await (const message of session.outgoing) yield { message };
    } finally {
      session.end();
      clearTimeout(tooLate);
      signal.removeEventListener('abort', abort);
      this.sessions.delete(session);
      await this.offering.leave(session);
    }
  }

  private admit(vendor: string | undefined): void {
    const { streamsMax, streamsOfVendorMax } = this.with_;
    if (this.draining) throw new ServerError(Status.UNAVAILABLE, 'draining');
    if (this.sessions.size >= streamsMax)
      throw new ServerError(Status.RESOURCE_EXHAUSTED, `${streamsMax} worker streams are open already`);
    if (vendor === undefined) return;
    const ofVendor = [...this.sessions].filter((session) => session.vendor === vendor).length;
    if (ofVendor >= streamsOfVendorMax)
      throw new ServerError(Status.RESOURCE_EXHAUSTED, `${streamsOfVendorMax} streams of this vendor are open already`);
  }

  async *readVolume(request: worker.ReadVolumeRequest, context: WorkerContext) {
    const { attempts } = this.forCaller(context);
    const job = await attempts.held(request);
    try {
      for await (const part of this.readOf(job)) {
        yield { part: toPart(part) };
      }
    } catch (error) {
      if (error instanceof InputUnusableError) await this.end(job, 'input-unusable', error);
      if (error instanceof InputChangedError) await this.end(job, 'input-changed', error);
      throw error;
    }
  }

  async writeLabelMap(requests: AsyncIterable<worker.WriteLabelMapRequest>, context: WorkerContext) {
    const with_ = this.forCaller(context);
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    const part = first.done === true ? undefined : first.value.part;
    if (part?.$case !== 'header') throw new LabelMapMismatchError('the first message carries no header');
    const traceparent = (await with_.attempts.find(part.value.jobId))?.traceparent;
    const options = { traceparent, attributes: { 'callosum.job': part.value.jobId } };
    const sha256 = await withSpan(service, 'write label map', options, () =>
      writeLabelMap(with_, part.value, this.transfers.within(part.value, dataOf(iterator))),
    );
    return { sha256 };
  }

  private readOf(job: Job): AsyncGenerator<VolumePart> {
    const held = { jobId: job.id, fencingToken: job.fencingToken };
    return this.transfers.within(held, traced(job, 'read volume', readVolume(this.with_, job)));
  }

  private forCaller({ worker: caller }: WorkerContext): WorkerGrpcDependencies {
    return { ...this.with_, attempts: attemptsOfVendor(this.with_.attempts, caller?.vendor) };
  }

  /** Not left to the worker, who cannot tell what is wrong with the input. */
  private async end({ id, fencingToken, traceparent }: Job, failure: AttemptFailure, error: Error): Promise<void> {
    const options = { traceparent, attributes: { 'callosum.job': id, 'callosum.failure': failure } };
    await withSpan(service, 'end attempt', options, () =>
      this.with_.attempts.fail({ jobId: id, fencingToken }, failure, { ours: error.message }),
    );
    this.with_.waker.wake();
  }
}

async function* dataOf(iterator: AsyncIterator<worker.WriteLabelMapRequest>): AsyncGenerator<Uint8Array> {
  for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
    if (step.value.part?.$case !== 'data')
      throw new LabelMapMismatchError('a message after the header carries no data');
    yield step.value.part.value;
  }
}

function toPart({ header, data }: VolumePart): NonNullable<worker.ReadVolumeResponse['part']> {
  if (data) return { $case: 'data', value: data };
  const { voxelType, irregularities, byteCount } = header;
  return {
    $case: 'header',
    value: {
      ...header,
      affine: [...header.affine],
      spacingMm: [...header.spacingMm],
      sopInstanceUids: [...header.sopInstanceUids],
      voxelType: voxelType === 'INT16' ? worker.VoxelType.VOXEL_TYPE_INT16 : worker.VoxelType.VOXEL_TYPE_FLOAT32,
      irregularities: irregularities.map((one) => worker.VolumeIrregularity[`VOLUME_IRREGULARITY_${one}`]),
      byteCount: BigInt(byteCount),
    },
  };
}

/** A stream in a span of the job's trace; each step runs inside it. */
async function* traced<T>(job: Job, name: string, stream: AsyncGenerator<T>): AsyncGenerator<T> {
  const parent = job.traceparent ? contextOf(job.traceparent) : context.active();
  const attributes = { 'callosum.service': service, 'callosum.job': job.id, 'callosum.study': job.studyInstanceUid };
  const span = trace.getTracer(`callosum.${service}`).startSpan(name, { attributes }, parent);
  const active = trace.setSpan(parent, span);
  try {
    for (;;) {
      const step = await context.with(active, () => stream.next());
      if (step.done === true) return;
      yield step.value;
    }
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: errorCode(error) });
    throw error;
  } finally {
    await stream.return(undefined);
    span.end();
  }
}
