import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Connects round robin to the backends that answer, as a Kubernetes Service does to ready pods. */
export class Balancer {
  #next = 0;
  readonly #open = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    /** Ports of the replicas that may get connections now. */
    private readonly backends: () => readonly number[],
  ) {}

  static async listen(port: number, backends: () => readonly number[]): Promise<Balancer> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const balancer = new Balancer(server, backends);
    server.on('connection', (socket) => void balancer.#pass(socket));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return balancer;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  async #pass(client: Socket): Promise<void> {
    this.#track(client);
    // Bytes that come before a backend is found wait in the socket.
    client.pause();
    const backend = await this.#reach();
    if (!backend) return void client.destroy();
    this.#track(backend);
    client.pipe(backend);
    backend.pipe(client);
    // A side that breaks takes the other with it: nobody is left waiting on half a connection.
    for (const [one, other] of [
      [client, backend],
      [backend, client],
    ] as const) {
      one.on('close', () => other.destroy());
    }
    client.resume();
  }

  /** A connection to the next backend that accepts one; undefined when none does. */
  async #reach(): Promise<Socket | undefined> {
    const ports = this.backends();
    for (let tries = 0; tries < ports.length; tries++) {
      const port = ports[this.#next++ % ports.length];
      if (port === undefined) continue;
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      const connected = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      if (connected) return socket;
    }
    return undefined;
  }

  #track(socket: Socket): void {
    this.#open.add(socket);
    // Told to the other side by its close.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#open.delete(socket));
  }
}
