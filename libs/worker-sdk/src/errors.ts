import { CallosumError } from '@callosum/kernel';

/**
 * Throw this from a handler when this input can never be used by this model (no lungs in the field of view):
 * the job fails for good, without another attempt. The reason is a machine code such as "lungs-not-in-view"; it
 * is shown to people, so it may not hold patient data.
 */
export class JobInputUnusableError extends CallosumError {
  constructor(readonly reason: string) {
    super('worker.input-unusable', 'invalid', `the input cannot be used by this model: ${reason}`);
  }
}

/** Thrown by `defineManifest` and `runWorker` when the manifest does not hold together. */
export class InvalidManifestError extends CallosumError {
  constructor(what: string) {
    super('worker.invalid-manifest', 'invalid', what);
  }
}

/** Thrown when a handler's result does not hold together; the job is given back as a failed attempt. */
export class InvalidResultError extends CallosumError {
  constructor(what: string) {
    super('worker.invalid-result', 'invalid', what);
  }
}

/** Thrown by `readVolume` when what arrived is not the volume its header announced. */
export class CorruptVolumeError extends CallosumError {
  constructor(what: string, options?: { cause?: unknown }) {
    super('worker.corrupt-volume', 'unavailable', what, options);
  }
}

/** Thrown by `writeLabelMap` when the labels do not fit their dimensions or the volume's. */
export class InvalidLabelMapError extends CallosumError {
  constructor(what: string) {
    super('worker.invalid-label-map', 'invalid', what);
  }
}

/** Thrown by `writeLabelMap` when the orchestrator received other bytes than were sent. */
export class CorruptLabelMapError extends CallosumError {
  constructor() {
    super('worker.corrupt-label-map', 'unavailable', 'the orchestrator received other bytes than were sent');
  }
}

/** The orchestrator refuses this worker's registration for good; `reason` is its machine code. */
export class RegistrationRefusedError extends CallosumError {
  constructor(
    readonly reason: string,
    detail: string,
  ) {
    super('worker.registration-refused', 'invalid', `registration refused (${reason}): ${detail}`);
  }
}

/** Why a job's signal was aborted. */
export type AbortReason = 'cancelled' | 'lease-lost' | 'deadline' | 'stopping';

/** The reason of an aborted `job.signal`. */
export class JobAbortedError extends CallosumError {
  constructor(readonly reason: AbortReason) {
    super(`worker.job-${reason}`, 'unavailable', `the job was aborted: ${reason}`);
  }
}

/** The conversation with the orchestrator broke; the worker reconnects by itself. */
export class ConnectionLostError extends CallosumError {
  constructor(what: string, options?: { cause?: unknown }) {
    super('worker.connection-lost', 'unavailable', what, options);
  }
}

/** The orchestrator refuses this worker's credential: none was shown, or one that is unknown, revoked or expired. */
export class CredentialRefusedError extends CallosumError {
  constructor() {
    super(
      'worker.credential-refused',
      'forbidden',
      'the orchestrator refuses this credential (none, unknown, revoked or expired): ask the site for another',
    );
  }
}

/** Thrown by `runWorker` when a credential would be sent to another machine without TLS: write "https://host:port". */
export class InsecureTargetError extends CallosumError {
  constructor() {
    super(
      'worker.insecure-target',
      'invalid',
      'a credential goes to another machine over TLS only: use https://host:port',
    );
  }
}
