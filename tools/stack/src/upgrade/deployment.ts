import { setTimeout as sleep } from 'node:timers/promises';

import type { Cluster } from '../cluster/cluster.js';
import type { Child } from '../cluster/process.js';
import type { Build } from './build.js';

/** How a process ended that was asked to. */
export interface Drained {
  readonly service: string;
  readonly ms: number;
  /** null: it was killed, because it had not ended in time. */
  readonly code: number | null;
}

export interface DeploymentOptions {
  /** Of each service; the cluster has a place more for each, so that a new one starts before an old one ends. */
  readonly replicas: number;
  /** From the end of new connections to SIGTERM, as the chart's preStop hook waits. */
  readonly preStopMs: number;
}

interface Pod {
  readonly service: string;
  readonly place: number;
  readonly build: Build;
  readonly child: Child;
  asked: boolean;
}

const restartMs = 1_000;
const askEveryMs = 50;

/** Services in several replicas, exchanged as Kubernetes does with `maxSurge` 1 and `maxUnavailable` 0. */
export class Deployment {
  readonly drains: Drained[] = [];
  /** Processes that ended though nobody asked them to. */
  readonly ended: string[] = [];
  readonly #pods = new Set<Pod>();
  #stopped = false;

  constructor(
    private readonly cluster: Cluster,
    private readonly options: DeploymentOptions,
  ) {}

  get services(): readonly string[] {
    return this.cluster.services.map(({ name }) => name);
  }

  /** Starts every replica, and waits until all get connections. */
  async start(build: Build): Promise<void> {
    const pods = this.services.flatMap((service) =>
      Array.from({ length: this.options.replicas }, (_, place) => this.#begin(service, place, build)),
    );
    await Promise.all(pods.map((pod) => this.#ready(pod)));
  }

  /** Exchanges every replica that is of another build, one after the other, services in the order given. */
  async roll(build: Build, services: readonly string[]): Promise<void> {
    for (const service of services) {
      for (const old of this.#of(service).filter((pod) => pod.build !== build)) {
        await this.#ready(this.#begin(service, this.#freePlace(service), build));
        await this.#end(old);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const pods = [...this.#pods];
    for (const pod of pods) pod.asked = true;
    await Promise.all(pods.map(({ child }) => child.stop()));
  }

  #begin(service: string, place: number, build: Build): Pod {
    const child = this.cluster.start(service, { replica: place, root: build.root });
    const pod: Pod = { service, place, build, child, asked: false };
    this.#pods.add(pod);
    void child.exited.then((code) => this.#gone(pod, code));
    return pod;
  }

  /** What ends by itself is told, and started again as a kubelet does: the others are to be seen at work. */
  async #gone(pod: Pod, code: number | null): Promise<void> {
    this.#pods.delete(pod);
    if (pod.asked) return;
    this.ended.push(`${pod.service} ended by itself (${code ?? 'killed'}): ${pod.child.logTail()}`);
    await sleep(restartMs);
    if (!this.#stopped) this.#begin(pod.service, pod.place, pod.build);
  }

  async #ready({ service, place, child }: Pod): Promise<void> {
    await this.cluster.ready(child, place);
    while (!this.cluster.endpoints.has(service, place)) await sleep(askEveryMs);
  }

  async #end(pod: Pod): Promise<void> {
    const { service, place, child } = pod;
    this.cluster.endpoints.withdraw(service, place);
    await sleep(this.options.preStopMs);
    pod.asked = true;
    const began = Date.now();
    await child.stop();
    this.drains.push({ service, ms: Date.now() - began, code: await child.exited });
  }

  #of(service: string): Pod[] {
    return [...this.#pods].filter((pod) => pod.service === service);
  }

  #freePlace(service: string): number {
    const taken = new Set(this.#of(service).map(({ place }) => place));
    const places = Array.from({ length: this.cluster.replicas }, (_, place) => place);
    const free = places.find((place) => !taken.has(place));
    if (free === undefined) throw new RangeError(`${service} has no place for another replica`);
    return free;
  }
}
