import type { ServiceName } from '@callosum/contracts';
import { CallosumError } from '@callosum/kernel';

/** "host:port" or "unix:path" of a service's internal gRPC. */
export interface ServiceAddress {
  readonly service: ServiceName;
  readonly address: string;
}

/** Thrown when the command line cannot be understood. */
export class UsageError extends CallosumError {
  constructor(message: string) {
    super('cli.usage', 'invalid', `${message}; "callosum --help" shows what there is`);
  }
}

/** Thrown when no system runs on the data folder. */
export class NotRunningError extends CallosumError {
  constructor(dataDir: string) {
    super(
      'cli.not-running',
      'unavailable',
      `no system runs on ${dataDir}: start it ("npm start"), set CALLOSUM_DATA_DIR to its data folder, or give --address`,
    );
  }
}

/** Thrown when every service answered and none holds anything of a study. */
export class UnknownStudyError extends CallosumError {
  constructor(studyInstanceUid: string) {
    super('cli.unknown-study', 'not-found', `no service knows a study ${studyInstanceUid}`);
  }
}

/** Thrown when a service cannot be reached, or gives up. */
export class ServiceFailedError extends CallosumError {
  constructor(service: string, address: string, reason: string) {
    super('cli.service-failed', 'unavailable', `${service} at ${address}: ${reason}`);
  }
}
