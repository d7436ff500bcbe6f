import { CallosumError } from '@callosum/kernel';
import { type ClientError, Status } from 'nice-grpc';

/** "host:port" or "unix:path" of a service's internal gRPC. */
export interface ServiceAddress {
  readonly service: string;
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

/** Thrown when a service cannot be reached, or gives up. */
export class ServiceFailedError extends CallosumError {
  constructor(service: string, address: string, reason: string) {
    super('cli.service-failed', 'unavailable', `${service} at ${address}: ${reason}`);
  }
}

/** What a call's failure is called; `timeoutMs` is what it was given. */
export function failureOf(error: unknown, { service, address }: ServiceAddress, timeoutMs: number): ServiceFailedError {
  return new ServiceFailedError(service, address, reasonOf(error, timeoutMs));
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'AbortError') return `not done after ${timeoutMs / 1000} s, given up`;
  const { code, details, message } = error as Partial<ClientError>;
  if (code === Status.UNAVAILABLE) return `does not answer (${details ?? ''})`;
  return code === undefined ? (message ?? String(error)) : `${Status[code]}: ${details ?? ''}`;
}
