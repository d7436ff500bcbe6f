import type { EventLog } from '@callosum/event-log';

/** A running Callosum, however it was started. */
export interface System {
  /** Base URLs; one and the same when everything runs in one process. */
  readonly dicomwebUrl: string;
  readonly fhirUrl: string;
  /** Base URL of inference-orchestrator's own REST calls. */
  readonly inferenceUrl: string;
  /** True when it started the reference worker, whose model is then still to be awaited. */
  readonly workers: boolean;
  readonly startedAt: Date;
  readonly dimse: { readonly host: string; readonly port: number; readonly aeTitle: string };
  /** Reads the facts as they happen. */
  readonly log: EventLog;
  /** Rejects when a part of it ends by itself. */
  readonly failed: Promise<never>;
  readonly title: string;
  stop(): Promise<void>;
}
