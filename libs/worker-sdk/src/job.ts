import type { worker } from '@callosum/contracts';
import { type Context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { type Client, Metadata } from 'nice-grpc';

import { CorruptLabelMapError, type AbortReason, InvalidLabelMapError, JobAbortedError } from './errors.js';
import { checkLabels, type Dimensions, labelMapParts } from './label-map.js';
import { withFields, type WorkerLogger } from './logger.js';
import type { WrittenLabelMap } from './result.js';
import { retried } from './retry.js';
import { traceparentOf, tracer } from './telemetry.js';
import { assembleVolume, type Volume, type VolumeBounds } from './volume.js';

/** What a handler is given. */
export interface Job {
  readonly jobId: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Past this moment the signal aborts and the attempt has failed. */
  readonly deadline: Date;
  /** Aborts when the job is cancelled, its lease is lost, its deadline passes or the worker stops. */
  readonly signal: AbortSignal;
  readonly log: WorkerLogger;
  /**
   * Reads the job's series as a volume in Hounsfield units; broken connections are retried.
   * @throws JobInputUnusableError when the volume exceeds what the manifest takes.
   * @throws CorruptVolumeError when what arrives is not what was announced, also when tried again.
   */
  readVolume(): Promise<Volume>;
  /**
   * Sends a mask on the grid of the volume: one byte a voxel, value = segment number, 0 = background, in the
   * order of the volume's voxels. Writing again replaces what the result may name.
   * @returns lower-case hex SHA-256, to be named in the result's label map.
   * @throws InvalidLabelMapError when the labels do not fit the dimensions or the volume read.
   */
  writeLabelMap(labels: Uint8Array, dimensions: Dimensions): Promise<string>;
  /** Tells how far the job is, 0 to 1, and at what; cheap, the latest wins. */
  progress(fraction: number, stage: string): void;
}

export type WorkerClient = Client<worker.WorkerServiceDefinition>;

/** The orchestrator keeps a stage of this length. */
const stageCharactersMax = 64;
/** Longest delay of a timer in Node: 24 days. */
const timerMsMax = 2 ** 31 - 1;

/** A job this worker holds: the handler's view of it, and its place in the protocol. */
export class HeldJob implements Job {
  readonly jobId: string;
  readonly fencingToken: bigint;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly attempt: number;
  readonly deadline: Date;
  readonly log: WorkerLogger;
  /** What is to be said at the end, once that is known. */
  outcome: NonNullable<worker.WorkerMessage['message']> | undefined;
  /** Number of the last heartbeat before the outcome was sent: an answer to a later one shows it arrived. */
  outcomeSentAfterHeartbeat: number | undefined;
  written: WrittenLabelMap | undefined;
  readonly #abort = new AbortController();
  readonly #deadlineTimer: NodeJS.Timeout;
  #volume: Dimensions | undefined;

  constructor(
    offer: worker.JobOffer,
    deadlineMs: number,
    private readonly client: WorkerClient,
    private readonly bounds: VolumeBounds,
    /** The trace context of the job's span. */
    private readonly trace: Context,
    private readonly send: (frame: NonNullable<worker.WorkerMessage['message']>) => void,
    log: WorkerLogger,
  ) {
    this.jobId = offer.jobId;
    this.fencingToken = offer.fencingToken;
    this.studyInstanceUid = offer.studyInstanceUid;
    this.seriesInstanceUid = offer.seriesInstanceUid;
    this.attempt = offer.attempt;
    this.deadline = new Date(Date.now() + deadlineMs);
    this.log = withFields(log, { jobId: offer.jobId, attempt: offer.attempt });
    this.#deadlineTimer = setTimeout(() => this.abort('deadline'), Math.min(deadlineMs, timerMsMax));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(reason: AbortReason): void {
    clearTimeout(this.#deadlineTimer);
    this.#abort.abort(new JobAbortedError(reason));
  }

  /** The handler is done: the deadline has lost its meaning. */
  settle(): void {
    clearTimeout(this.#deadlineTimer);
  }

  progress(fraction: number, stage: string): void {
    if (this.signal.aborted || this.outcome) return;
    const { jobId, fencingToken } = this;
    const within = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
    const value = { jobId, fencingToken, fraction: within, stage: stage.slice(0, stageCharactersMax) };
    this.send({ $case: 'progress', value });
  }

  async readVolume(): Promise<Volume> {
    const { jobId, fencingToken } = this;
    const volume = await retried(this.signal, () =>
      this.#call('ReadVolume', (options) =>
        assembleVolume(this.client.readVolume({ jobId, fencingToken }, options), this.bounds),
      ),
    );
    this.#volume = volume;
    return volume;
  }

  async writeLabelMap(labels: Uint8Array, dimensions: Dimensions): Promise<string> {
    if (!(labels instanceof Uint8Array)) throw new InvalidLabelMapError('labels are a Uint8Array');
    const { labelMax, sha256 } = checkLabels(labels, dimensions, this.#volume);
    await retried(this.signal, () =>
      this.#call('WriteLabelMap', async (options) => {
        const answer = await this.client.writeLabelMap(labelMapParts(this, labels, dimensions), options);
        if (answer.sha256 !== sha256) throw new CorruptLabelMapError();
      }),
    );
    const { columns, rows, slices } = dimensions;
    this.written = { columns, rows, slices, sha256, labelMax };
    return sha256;
  }

  /** One call in a client span of the job's trace, cut off by the job's signal. */
  async #call<T>(name: string, work: (options: CallOptions) => Promise<T>): Promise<T> {
    const attributes = { 'callosum.job.id': this.jobId, 'rpc.system.name': 'grpc' };
    const span = tracer().startSpan(`WorkerService/${name}`, { kind: SpanKind.CLIENT, attributes }, this.trace);
    const metadata = new Metadata();
    const traceparent = traceparentOf(trace.setSpan(this.trace, span));
    if (traceparent) metadata.set('traceparent', traceparent);
    try {
      return await work({ metadata, signal: this.signal });
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }
}

interface CallOptions {
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
}
