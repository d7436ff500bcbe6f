import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Server as TlsServer, type TLSSocket } from 'node:tls';

import { type ScpLimits, scpLimits } from './limits.js';
import { ScpConnection } from './scp-connection.js';
import type { ScpServerOptions } from './scp-options.js';

export interface ScpServer {
  readonly port: number;
  /** Associations and connections on their way to one. */
  readonly connectionCount: number;
  /**
   * Takes no new connection, lets associations come to their end for at most `drainMs`, then sends A-ABORT to what
   * is left. Resolves when every handler has ended.
   */
  close(drainMs: number): Promise<void>;
}

/** Connections that may wait beside the associations, so that one too many is told so and not just cut. */
const spareConnections = 32;

/**
 * A service class provider for the DIMSE services its handlers have. One socket is one ScpConnection.
 * Rejects when the address cannot be bound.
 */
export async function createScpServer(options: ScpServerOptions): Promise<ScpServer> {
  const limits: ScpLimits = { ...scpLimits, ...options.limits };
  const connections = new Map<ScpConnection, Promise<void>>();
  const handshakes = new Map<string, Socket>();
  const server = options.server ?? createServer({ noDelay: true });
  const admit = (): boolean =>
    [...connections.keys()].filter((other) => other.associated).length <= limits.associationsMax;
  const connected = (socket: Socket): void => {
    const connection = new ScpConnection(socket, options, limits, admit);
    const running = connection
      .run()
      .catch((error: unknown) => {
        socket.destroy();
        options.onError(error);
      })
      .finally(() => connections.delete(connection));
    connections.set(connection, running);
  };
  if (server instanceof TlsServer) watchHandshakes(server, handshakes, options, limits.handshakeMs, connected);
  else server.on('connection', connected);
  server.maxConnections = limits.associationsMax + spareConnections;
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    get connectionCount() {
      return connections.size + handshakes.size;
    },
    close: async (drainMs) => {
      const closed = new Promise((resolve) => server.close(resolve));
      const timer = setTimeout(() => connections.forEach((_running, connection) => connection.shutDown()), drainMs);
      for (const socket of handshakes.values()) socket.destroy();
      for (const connection of connections.keys()) connection.drain();
      await Promise.all(connections.values());
      clearTimeout(timer);
      await closed;
    },
  };
}

/** Resolves when it listens. */
async function listen(server: Server, { host, port, onError }: ScpServerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      server.on('error', onError);
      resolve();
    });
  });
}

/**
 * A connection counts from its first packet, not from the end of its handshake, and has a time for that. The two
 * sockets of one connection are known by their peer's address and port.
 */
function watchHandshakes(
  server: TlsServer,
  handshakes: Map<string, Socket>,
  { onBadConnection }: ScpServerOptions,
  handshakeMs: number,
  secured: (socket: TLSSocket) => void,
): void {
  const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  const timers = new Map<Socket, NodeJS.Timeout>();
  const done = (peer: string): void => {
    const socket = handshakes.get(peer);
    handshakes.delete(peer);
    if (!socket) return;
    clearTimeout(timers.get(socket));
    timers.delete(socket);
  };
  server.on('connection', (socket) => {
    const peer = peerOf(socket);
    handshakes.set(peer, socket);
    timers.set(
      socket,
      setTimeout(() => socket.destroy(), handshakeMs),
    );
    socket.once('close', () => done(peer));
  });
  server.on('secureConnection', (socket) => {
    done(peerOf(socket));
    secured(socket);
  });
  server.on('tlsClientError', (_error, socket) => onBadConnection?.(socket.remoteAddress ?? '', 'dimse.tls-handshake'));
}
