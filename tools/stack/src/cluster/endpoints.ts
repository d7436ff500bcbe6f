import { setTimeout as sleep } from 'node:timers/promises';

export interface Probe {
  readonly service: string;
  readonly replica: number;
  readonly url: string;
}

const probeTimeoutMs = 3_000;

/**
 * Which replicas of a service get connections, as the endpoints of a Kubernetes Service: those whose last readiness probe
 * was good, and that nobody is ending. Connections that are open already are nobody's business here. Until `watch` every
 * replica is one of them.
 */
export class Endpoints {
  readonly #ready = new Set<string>();
  readonly #leaving = new Set<string>();
  /** How often a replica was expected: what its process of before answered says nothing of the next one. */
  readonly #expected = new Map<string, number>();
  readonly #stop = new AbortController();
  #watched = false;

  has(service: string, replica: number): boolean {
    const name = nameOf(service, replica);
    return !this.#watched || (this.#ready.has(name) && !this.#leaving.has(name));
  }

  /** Asks each probe again and again until `close`. */
  watch(probes: readonly Probe[], everyMs: number): void {
    this.#watched = true;
    for (const probe of probes) void this.#ask(probe, everyMs);
  }

  /** The replica is being ended: no new connections, whatever its probe says, until it is expected again. */
  withdraw(service: string, replica: number): void {
    this.#leaving.add(nameOf(service, replica));
  }

  /** A process of the replica starts: it gets connections once it says that it is ready. */
  expect(service: string, replica: number): void {
    const name = nameOf(service, replica);
    this.#ready.delete(name);
    this.#leaving.delete(name);
    this.#expected.set(name, this.#timesExpected(name) + 1);
  }

  #timesExpected(name: string): number {
    return this.#expected.get(name) ?? 0;
  }

  close(): void {
    this.#stop.abort();
  }

  async #ask({ service, replica, url }: Probe, everyMs: number): Promise<void> {
    const { signal } = this.#stop;
    const name = nameOf(service, replica);
    while (!signal.aborted) {
      const before = this.#timesExpected(name);
      const good = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)]) }).then(
        async (response) => {
          await response.arrayBuffer();
          return response.ok;
        },
        () => false,
      );
      if (!good) this.#ready.delete(name);
      else if (this.#timesExpected(name) === before) this.#ready.add(name);
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

const nameOf = (service: string, replica: number): string => `${service} ${replica}`;
