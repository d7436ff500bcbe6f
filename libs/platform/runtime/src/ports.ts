import { createServer } from 'node:net';

import { CallosumError } from '@callosum/kernel';

import { metricsPort } from './metrics-port.js';
import type { PlatformSettings } from './settings.js';

/** A port a process is going to listen on, and the setting that chose it. */
export interface Listening {
  readonly setting: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Thrown when a port cannot be listened on: another process has it, the address is not of this machine, or the user may not. */
export class PortUnusableError extends CallosumError {
  constructor({ setting, host, port }: Listening, cause: unknown) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    const why =
      code === 'EADDRINUSE'
        ? 'is taken by another process; stop it, or choose another port'
        : `cannot be listened on (${code})`;
    super('runtime.port-unusable', 'unavailable', `${setting}: port ${port} on ${host} ${why}`, { cause });
  }
}

/** What a process listens on whichever services run in it; between services too where that is a port and no socket. */
export function platformPorts(settings: PlatformSettings): Listening[] {
  const { CALLOSUM_HTTP_HOST, CALLOSUM_HTTP_PORT, CALLOSUM_METRICS_HOST, CALLOSUM_INTERNAL_GRPC } = settings;
  const metrics = metricsPort(settings);
  const grpc = /^\[?(.*?)\]?:(\d+)$/.exec(CALLOSUM_INTERNAL_GRPC.startsWith('unix:') ? '' : CALLOSUM_INTERNAL_GRPC);
  return [
    { setting: 'CALLOSUM_HTTP_PORT', host: CALLOSUM_HTTP_HOST, port: CALLOSUM_HTTP_PORT },
    ...(metrics === undefined
      ? []
      : [{ setting: 'CALLOSUM_METRICS_PORT', host: CALLOSUM_METRICS_HOST, port: metrics }]),
    ...(grpc ? [{ setting: 'CALLOSUM_INTERNAL_GRPC', host: grpc[1] ?? '', port: Number(grpc[2]) }] : []),
  ];
}

/**
 * Listens on each port for a moment. Said before anything is started: gRPC and DIMSE bind last, when a database may have
 * been made already, and their libraries' errors name no setting.
 * @throws {PortUnusableError} for the first that cannot be had, or that two settings ask for
 */
export async function assertPortsUsable(ports: readonly Listening[]): Promise<void> {
  const asked = ports.filter(({ port }) => port !== 0);
  const held: (() => Promise<void>)[] = [];
  try {
    for (const one of asked) {
      const twin = asked.find((other) => other !== one && other.host === one.host && other.port === one.port);
      const settings = twin ? { ...one, setting: `${one.setting} and ${twin.setting}` } : one;
      held.push(await hold(one).catch((error: unknown) => Promise.reject(new PortUnusableError(settings, error))));
    }
  } finally {
    for (const release of held) await release();
  }
}

/** @returns what gives it back */
function hold({ host, port }: Listening): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () =>
      resolve(() => new Promise((closed) => server.close(() => closed()))),
    );
  });
}
