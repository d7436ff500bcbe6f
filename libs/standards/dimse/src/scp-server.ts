import { createServer, type AddressInfo } from 'node:net';

import { type ScpLimits, scpLimits, type ScpServerOptions } from './scp.js';
import { ScpConnection } from './scp-connection.js';

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
 * A service class provider for C-ECHO and C-STORE. One socket is one ScpConnection; the library's own server takes
 * no host and knows no limits, so it is not used.
 * Rejects when the address cannot be bound.
 */
export async function createScpServer(options: ScpServerOptions): Promise<ScpServer> {
  const limits: ScpLimits = { ...scpLimits, ...options.limits };
  const connections = new Map<ScpConnection, Promise<void>>();
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = new ScpConnection(socket, options, limits, () => {
      const associations = [...connections.keys()].filter((other) => other.associated).length;
      return associations <= limits.associationsMax;
    });
    const running = connection
      .run()
      .catch((error: unknown) => {
        socket.destroy();
        options.onError(error);
      })
      .finally(() => connections.delete(connection));
    connections.set(connection, running);
  });
  server.maxConnections = limits.associationsMax + spareConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      server.on('error', options.onError);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connectionCount() {
      return connections.size;
    },
    close: async (drainMs) => {
      const closed = new Promise((resolve) => server.close(resolve));
      const timer = setTimeout(() => connections.forEach((_running, connection) => connection.shutDown()), drainMs);
      for (const connection of connections.keys()) connection.drain();
      await Promise.all(connections.values());
      clearTimeout(timer);
      await closed;
    },
  };
}
