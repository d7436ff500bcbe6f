import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy on 127.0.0.1 that can stop forwarding, as a cable does that is pulled: nobody is told, nothing is reset. */
export class TcpProxy {
  /** What clients have sent, all connections together. */
  sent = Buffer.alloc(0);
  #silent = false;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      this.#sockets.add(client);
      client.on('error', () => undefined).on('close', () => this.#sockets.delete(client));
      client.on('data', (bytes) => (this.sent = Buffer.concat([this.sent, bytes])));
      // As a machine that is gone: what was begun with it stays without an answer, also when another has its address.
      if (this.#silent) return;
      const target = connect(targetPort, '127.0.0.1');
      this.#sockets.add(target);
      target.on('error', () => undefined).on('close', () => this.#sockets.delete(target));
      client.pipe(target).pipe(client);
    });
  }

  static async to(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing passes any more, on connections that are there and on new ones. */
  silence(): void {
    this.#silent = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** New connections pass again; those from before stay dead. */
  forward(): void {
    this.#silent = false;
  }

  /** Ends the connections that are there; new ones pass. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
