import { Balancer } from './balancer.js';
import { freePort } from '@callosum/testing';

/** What a replica of a service listens on. */
export type Listener = 'http' | 'metrics' | 'grpc' | 'dimse' | 'workers';

/**
 * One port in front of all replicas of a service for each listener. With one replica it is the replica's own; with
 * more a balancer holds it, and passes over replicas that do not answer.
 */
export class Ports {
  readonly #fronts = new Map<string, number>();
  readonly #replicas = new Map<string, readonly number[]>();
  readonly #balancers: Balancer[] = [];

  private constructor() {}

  /**
   * @param listeners `fixed` is a port that is given; the others are free ones
   * @param inRotation whether a replica gets connections now
   */
  static async open(
    listeners: readonly { readonly service: string; readonly listener: Listener; readonly fixed?: number }[],
    replicas: number,
    inRotation: (service: string, replica: number) => boolean = () => true,
  ): Promise<Ports> {
    const ports = new Ports();
    for (const { service, listener, fixed } of listeners) {
      const name = `${service} ${listener}`;
      const front = fixed ?? (await freePort());
      ports.#fronts.set(name, front);
      if (replicas === 1) {
        ports.#replicas.set(name, [front]);
        continue;
      }
      const own: number[] = [];
      for (let i = 0; i < replicas; i++) own.push(await freePort());
      ports.#replicas.set(name, own);
      ports.#balancers.push(
        await Balancer.listen(front, () => own.filter((_, replica) => inRotation(service, replica))),
      );
    }
    return ports;
  }

  /** @throws {RangeError} when the service has no such listener */
  front(service: string, listener: Listener): number {
    const port = this.#fronts.get(`${service} ${listener}`);
    if (port === undefined) throw new RangeError(`${service} has no ${listener} port`);
    return port;
  }

  /** Undefined when the service has no such listener. */
  replica(service: string, listener: Listener, index: number): number | undefined {
    return this.#replicas.get(`${service} ${listener}`)?.[index];
  }

  async close(): Promise<void> {
    for (const balancer of this.#balancers) await balancer.close();
  }
}
