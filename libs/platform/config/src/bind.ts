import { CallosumError } from '@callosum/kernel';

/** Thrown when a listener would be reachable from other machines without authentication. */
export class UnauthenticatedBindError extends CallosumError {
  constructor(setting: string) {
    super(
      'config.unauthenticated-bind',
      'forbidden',
      `${setting} is not a loopback address and no authentication is configured: refusing to start. Use 127.0.0.1.`,
    );
  }
}

/** True for 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

/**
 * Every listener calls this before it binds. There is no authentication yet, so only loopback passes.
 * @throws {UnauthenticatedBindError}
 */
export function assertBindAllowed(setting: string, host: string): void {
  if (!isLoopback(host)) throw new UnauthenticatedBindError(setting);
}
