import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Server as TlsServer, type TLSSocket } from 'node:tls';

import { type ScpLimits, scpLimits } from './limits.js';
import { Newcomers } from './newcomers.js';
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

/**
 * A service class provider for the DIMSE services its handlers have. One socket is one ScpConnection.
 * Rejects when the address cannot be bound.
 */
export async function createScpServer(options: ScpServerOptions): Promise<ScpServer> {
  const limits: ScpLimits = { ...scpLimits, ...options.limits };
  const connections = new Map<ScpConnection, Promise<void>>();
  const handshakes = new Map<string, Socket>();
  // Node's own limit of connections would turn away whoever comes last: a peer, after those that keep silent.
  const newcomers = new Newcomers(limits);
  const server = options.server ?? createServer({ noDelay: true });
  const admit = (): boolean =>
    [...connections.keys()].filter((other) => other.associated).length <= limits.associationsMax;
  const connected = (socket: Socket): void => {
    const connection = new ScpConnection(socket, options, limits, admit);
    const gone = newcomers.add({
      address: socket.remoteAddress ?? '',
      waits: () => !connection.associated && !socket.destroyed,
      turnAway: () => connection.turnAway(),
    });
    const running = connection
      .run()
      .catch((error: unknown) => {
        socket.destroy();
        options.onError(error);
      })
      .finally(() => {
        connections.delete(connection);
        gone();
      });
    connections.set(connection, running);
  };
  if (server instanceof TlsServer)
    watchHandshakes(server, handshakes, newcomers, options, limits.handshakeMs, connected);
  else server.on('connection', connected);
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
  newcomers: Newcomers,
  { onBadConnection }: ScpServerOptions,
  handshakeMs: number,
  secured: (socket: TLSSocket) => void,
): void {
  const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  const endings = new Map<Socket, () => void>();
  const done = (peer: string): void => {
    const socket = handshakes.get(peer);
    handshakes.delete(peer);
    if (!socket) return;
    endings.get(socket)?.();
    endings.delete(socket);
  };
  server.on('connection', (socket) => {
    const peer = peerOf(socket);
    handshakes.set(peer, socket);
    const turnAway = (): void => void socket.destroy();
    const timer = setTimeout(turnAway, handshakeMs);
    const gone = newcomers.add({ address: socket.remoteAddress ?? '', waits: () => true, turnAway });
    endings.set(socket, () => {
      clearTimeout(timer);
      gone();
    });
    socket.once('close', () => done(peer));
  });
  server.on('secureConnection', (socket) => {
    done(peerOf(socket));
    secured(socket);
  });
  server.on('tlsClientError', (_error, socket) => onBadConnection?.(socket.remoteAddress ?? '', 'dimse.tls-handshake'));
}
