import { CallosumError } from '@callosum/kernel';

/** What protects a listener that other machines can reach. */
export interface Protection {
  /** Whether it is configured. */
  readonly on: boolean;
  /** What to configure, for whoever reads the refusal. */
  readonly needs: string;
}

/** Thrown when a listener would be reachable from other machines without the authentication it needs. */
export class UnauthenticatedBindError extends CallosumError {
  constructor(setting: string, { needs }: Protection) {
    super(
      'config.unauthenticated-bind',
      'forbidden',
      `${setting} is not a loopback address: refusing to start without authentication. Set ${needs}, or use 127.0.0.1.`,
    );
  }
}

/** True for 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

/**
 * Every listener calls this before it binds: loopback is for everyone on the machine, any other address only with the
 * listener's own authentication.
 * @throws {UnauthenticatedBindError}
 */
export function assertBindAllowed(setting: string, host: string, protection: Protection): void {
  if (!isLoopback(host) && !protection.on) throw new UnauthenticatedBindError(setting, protection);
}
