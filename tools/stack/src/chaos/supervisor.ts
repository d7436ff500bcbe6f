import { setTimeout as sleep } from 'node:timers/promises';

import type { Cluster } from '../cluster/cluster.js';
import type { Child } from '../cluster/process.js';

/** As a kubelet does: a dead process is started again, sooner the first time than after it failed to start. */
const restartMsMin = 200;
const restartMsMax = 5_000;
/** A process that lived this long had started. */
const startedMs = 10_000;
const probeEveryMs = 2_000;
const probeTimeoutMs = 3_000;
const probeFailuresMax = 3;

export interface ProcessCounts {
  kills: number;
  /** Ends that nobody asked for: a process that gave up, for example at its start without a database. */
  endedByThemselves: number;
  /** Restarts because `/healthz` failed. */
  livenessRestarts: number;
}

interface WorkersOf {
  /** Whose they are, in their manifests. */
  readonly vendor: string;
  readonly env: NodeJS.ProcessEnv;
}

interface Supervised {
  readonly name: string;
  readonly start: (preload: readonly string[]) => Child;
  /** Base URL of its probes; none for a worker. */
  readonly probes: string | undefined;
  child: Child;
  preload: readonly string[];
  asked: boolean;
}

/** Keeps every process of the cluster running, and ends them when a fault asks for it. */
export class Supervisor {
  readonly counts: ProcessCounts = { kills: 0, endedByThemselves: 0, livenessRestarts: 0 };
  readonly #processes = new Map<string, Supervised>();
  readonly #watching: Promise<void>[] = [];
  readonly #stop = new AbortController();

  constructor(private readonly cluster: Cluster) {}

  /** Starts every service and the workers, and waits until the services are ready. */
  async start(scripts: ReadonlyMap<string, string>, { vendor, env }: WorkersOf): Promise<void> {
    for (const { name } of this.cluster.services) {
      const start = (preload: readonly string[]): Child => this.cluster.start(name, { preload });
      this.#add(name, start, this.cluster.addresses.http(name));
    }
    await Promise.all(this.services.map((name) => this.cluster.ready(this.#get(name).child)));
    const workerEnv = { ...env, ...(await this.cluster.workerEnv(vendor)) };
    for (const [name, script] of scripts)
      this.#add(name, () => this.cluster.startWorker(name, script, { env: workerEnv }), undefined);
  }

  get services(): readonly string[] {
    return this.cluster.services.map(({ name }) => name);
  }

  get names(): readonly string[] {
    return [...this.#processes.keys()];
  }

  /** SIGKILL; the process is started again. `preload` stays with it from then on. */
  kill(name: string, preload?: readonly string[]): void {
    const found = this.#get(name);
    if (preload) found.preload = preload;
    found.asked = true;
    this.counts.kills++;
    found.child.signal('SIGKILL');
  }

  /** Stops a process for a while as a machine does that swaps: alive, holding what it holds, doing nothing. */
  async freeze(name: string, ms: number): Promise<void> {
    const { child } = this.#get(name);
    child.signal('SIGSTOP');
    await sleep(ms);
    child.signal('SIGCONT');
  }

  /** Waits until every service says that it is ready. */
  async allReady(): Promise<void> {
    for (const name of this.services) {
      while (!(await this.#answers(this.#get(name), 'readyz'))) await sleep(200);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    const children = [...this.#processes.values()].reverse();
    for (const found of children) found.asked = true;
    await Promise.all(children.map(({ child }) => child.stop()));
    await Promise.all(this.#watching);
  }

  #add(name: string, start: Supervised['start'], probes: string | undefined): void {
    const found: Supervised = { name, start, probes, child: start([]), preload: [], asked: false };
    this.#processes.set(name, found);
    this.#watching.push(this.#keepRunning(found));
    if (probes) this.#watching.push(this.#keepAlive(found));
  }

  #get(name: string): Supervised {
    const found = this.#processes.get(name);
    if (!found) throw new RangeError(`no process is called ${name}`);
    return found;
  }

  async #keepRunning(found: Supervised): Promise<void> {
    for (let failures = 0; ;) {
      const begun = Date.now();
      await found.child.exited;
      if (this.#stop.signal.aborted) return;
      failures = Date.now() - begun > startedMs ? 0 : failures + 1;
      if (!found.asked) this.counts.endedByThemselves++;
      found.asked = false;
      await sleep(Math.min(restartMsMax, restartMsMin * 2 ** failures));
      if (this.#stop.signal.aborted) return;
      found.child = found.start(found.preload);
    }
  }

  async #keepAlive(found: Supervised): Promise<void> {
    let failures = 0;
    for (;;) {
      await sleep(probeEveryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      failures = (await this.#answers(found, 'healthz')) ? 0 : failures + 1;
      if (failures < probeFailuresMax || !(await this.#saysDead(found))) continue;
      failures = 0;
      this.counts.livenessRestarts++;
      found.asked = true;
      await found.child.stop();
    }
  }

  async #answers({ probes }: Supervised, probe: string): Promise<boolean> {
    return (await this.#status(probes, probe)) === 200;
  }

  /** A process that does not answer may be starting or frozen; one that answers 503 says itself that it is dead. */
  async #saysDead({ probes }: Supervised): Promise<boolean> {
    return (await this.#status(probes, 'healthz')) === 503;
  }

  async #status(probes: string | undefined, probe: string): Promise<number | undefined> {
    return fetch(`${probes}/${probe}`, { signal: AbortSignal.timeout(probeTimeoutMs) }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      () => undefined,
    );
  }
}
