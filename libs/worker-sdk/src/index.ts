export {
  CorruptLabelMapError,
  CorruptVolumeError,
  ConnectionLostError,
  CredentialRefusedError,
  InsecureTargetError,
  InvalidLabelMapError,
  InvalidManifestError,
  InvalidResultError,
  JobAbortedError,
  JobInputUnusableError,
  RegistrationRefusedError,
  type AbortReason,
} from './errors.js';
export {
  defineManifest,
  type Manifest,
  type ModelIdentity,
  type SeriesSelection,
  type VolumeLimits,
} from './manifest.js';
export type { Code, Finding, JobResult, LabelMap, Laterality, Measurement, Segment, Warning } from './result.js';
export type { Volume, VolumeIrregularity } from './volume.js';
export type { Dimensions } from './label-map.js';
export type { WorkerLogger } from './logger.js';
export { startWorkerTelemetry, type WorkerTelemetryOptions } from './telemetry.js';
export type { Job } from './job.js';
export { runWorker, type RunningWorker, type WorkerOptions } from './worker.js';
export { readWorkerSettings, type WorkerSettings, workerSettings } from './settings.js';
