import { newId } from '@callosum/kernel';
import { type ChannelCredentials, ClientError, createChannel, createClientFactory, Status } from 'nice-grpc';
import { worker as protocol } from '@callosum/contracts';

import { backoffMs, pause } from './backoff.js';
import { shows } from './credential.js';
import { CredentialRefusedError, RegistrationRefusedError } from './errors.js';
import { failureDetail } from './failure.js';
import { Connection } from './connection.js';
import type { Job } from './job.js';
import { JobBook } from './job-book.js';
import { stderrLogger, type WorkerLogger } from './logger.js';
import { defineManifest, type Manifest, manifestToWire } from './manifest.js';
import type { JobResult } from './result.js';
import { readWorkerSettings } from './settings.js';

export interface WorkerOptions {
  /** Address of the orchestrator: "host:port", or "https://host:port" for TLS. */
  readonly target: string;
  readonly manifest: Manifest;
  /**
   * Does one job. At most `slots` of them run at a time. What it throws fails the attempt: `JobInputUnusableError`
   * for good, anything else so that the job is tried again. It may be called again for a job it has had before.
   * It must leave the event loop free (heartbeats go through it): long computations belong into a worker thread.
   */
  readonly handle: (job: Job) => Promise<JobResult>;
  /** Stops the worker when it aborts. */
  readonly signal?: AbortSignal;
  readonly logger?: WorkerLogger;
  /** Stable over reconnects of one process; a random UUID unless given. */
  readonly workerInstanceId?: string;
  /** Credential the site issued for your vendor; CALLOSUM_WORKER_TOKEN when not given. Sent with every call. */
  readonly token?: string;
  /** For TLS with other roots, or a client certificate. */
  readonly credentials?: ChannelCredentials;
  /** How long `stop` lets running jobs finish before it gives them back; 25 s, below Kubernetes' 30 s. */
  readonly stopGraceMs?: number;
  /** Whether SIGTERM and SIGINT stop the worker; true unless said otherwise. */
  readonly stopOnSignals?: boolean;
}

export interface RunningWorker {
  readonly workerInstanceId: string;
  /** Whether the orchestrator knows this worker now. */
  readonly connected: boolean;
  /**
   * Resolves when the worker has stopped.
   * Rejects with RegistrationRefusedError when the orchestrator refuses its manifest, and with CredentialRefusedError
   * when it refuses its credential (none, unknown, revoked, expired): trying again is pointless.
   */
  readonly stopped: Promise<void>;
  /** Takes no more jobs, lets running ones finish within the grace, gives the rest back, then ends the stream. */
  stop(): Promise<void>;
}

const stopGraceMsDefault = 25_000;
/** What was said last must leave the machine; an orchestrator that is gone does not hold us up longer. */
const goodbyeMs = 2_000;
/** Refusals that another try cannot change. */
const refusedForGood = new Set(['invalid-manifest', 'inference.invalid-manifest', 'vendor-mismatch']);

/**
 * Runs a worker: connects to the orchestrator, registers, takes jobs and returns their results, and connects again
 * for ever when the connection breaks, going on with the jobs it may keep.
 * @throws InvalidManifestError at once when the manifest does not hold together.
 * @throws InsecureTargetError at once when a credential would go over a network without TLS.
 */
export function runWorker(options: WorkerOptions): RunningWorker {
  const running = new Worker(options, defineManifest(options.manifest));
  const stop = (): void => void running.stop();
  const signals = options.stopOnSignals === false ? [] : (['SIGTERM', 'SIGINT'] as const);
  for (const signal of signals) process.once(signal, stop);
  options.signal?.addEventListener('abort', stop);
  if (options.signal?.aborted) stop();
  const stopped = running.run().finally(() => {
    for (const signal of signals) process.removeListener(signal, stop);
    options.signal?.removeEventListener('abort', stop);
  });
  return {
    workerInstanceId: running.workerInstanceId,
    get connected() {
      return running.connected;
    },
    stopped,
    stop: async () => {
      void running.stop();
      await stopped;
    },
  };
}

class Worker {
  readonly workerInstanceId: string;
  readonly #log: WorkerLogger;
  readonly #channel;
  readonly #client;
  readonly #jobs: JobBook;
  readonly #closed = new AbortController();
  readonly #graceMs: number;
  #connection: Connection | undefined;
  #stopping: Promise<void> | undefined;

  constructor(
    options: WorkerOptions,
    private readonly manifest: Manifest,
  ) {
    this.workerInstanceId = options.workerInstanceId ?? newId();
    this.#log = options.logger ?? stderrLogger;
    this.#graceMs = options.stopGraceMs ?? stopGraceMsDefault;
    this.#channel = createChannel(options.target, options.credentials, {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5_000,
    });
    const token = options.token ?? readWorkerSettings().CALLOSUM_WORKER_TOKEN;
    const factory = token ? createClientFactory().use(shows(token, options)) : createClientFactory();
    this.#client = factory.create(protocol.WorkerServiceDefinition, this.#channel);
    this.#jobs = new JobBook(this.#client, manifest, options.handle, this.#log);
  }

  get connected(): boolean {
    return this.#connection?.registered ?? false;
  }

  async run(): Promise<void> {
    try {
      await this.#keepConnected();
    } finally {
      this.#jobs.abandonAll();
      this.#channel.close();
    }
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #keepConnected(): Promise<void> {
    for (let failures = 0; !this.#closed.signal.aborted;) {
      try {
        await this.#converse(() => (failures = 0));
      } catch (error) {
        if (error instanceof RegistrationRefusedError && refusedForGood.has(error.reason)) throw error;
        if (error instanceof ClientError && error.code === Status.UNAUTHENTICATED) throw new CredentialRefusedError();
        if (!this.#closed.signal.aborted) this.#log.warn({ error: failureDetail(error) }, 'worker.connection-lost');
      }
      await pause(backoffMs(++failures), this.#closed.signal);
    }
  }

  async #converse(onRegistered: () => void): Promise<void> {
    const held = this.#jobs.held();
    const connection: Connection = new Connection(this.#client, {
      registered: (message) => {
        onRegistered();
        this.#log.info(
          { orchestrator: message.orchestratorInstanceId, resumed: message.resumedJobIds },
          'worker.registered',
        );
        this.#jobs.connected(connection, held, message.resumedJobIds);
      },
      heard: (message) => this.#hear(connection, message),
      heartbeatJobs: () => this.#jobs.renewable(),
      heartbeatAnswered: (number, jobs, lost) => this.#jobs.heartbeatAnswered(number, jobs, lost),
    });
    this.#connection = connection;
    try {
      await connection.converse({
        manifest: manifestToWire(this.manifest),
        workerInstanceId: this.workerInstanceId,
        heldJobs: [...held].map(([jobId, fencingToken]) => ({ jobId, fencingToken })),
      });
    } finally {
      this.#connection = undefined;
      this.#jobs.disconnected();
    }
  }

  #hear(connection: Connection, message: Parameters<JobBook['hear']>[0]): void {
    if (message.$case === 'refusal' && message.value.jobId === '') {
      connection.cut(new RegistrationRefusedError(message.value.code, message.value.detail));
      return;
    }
    this.#jobs.hear(message);
  }

  async #stop(): Promise<void> {
    this.#log.info({ jobs: this.#jobs.held().size }, 'worker.stopping');
    this.#jobs.close();
    await this.#jobs.emptied(this.#graceMs);
    this.#jobs.giveBackAll();
    await this.#jobs.emptied(goodbyeMs);
    const connection = this.#connection;
    connection?.end();
    for (let waited = 0; this.#connection !== undefined && connection?.registered && waited < goodbyeMs; waited += 20) {
      await pause(20, this.#closed.signal);
    }
    this.#closed.abort();
    connection?.cut(new Error('the worker has stopped'));
  }
}
