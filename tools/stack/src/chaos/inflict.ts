import { setTimeout as sleep } from 'node:timers/promises';

import type { Cluster } from '../cluster/cluster.js';
import type { BrokerFaults } from './broker-faults.js';
import type { Fault } from './fault-plan.js';
import type { LogFaults } from './log-faults.js';
import type { SmallDisk } from './small-disk.js';
import type { Supervisor } from './supervisor.js';

export interface Field {
  readonly cluster: Cluster;
  readonly supervisor: Supervisor;
  readonly log: LogFaults;
  /** On three brokers. */
  readonly brokers: BrokerFaults | undefined;
  readonly disk: SmallDisk | undefined;
}

const skewedClock = new URL('../../../lib/skewed-clock.mjs', import.meta.url);
/** A fault of the log meets outages too: it is tried until the log takes it. */
const appendTriesMax = 30;

/** Makes one fault happen, and resolves when it is over. Processes come back by the supervisor. */
export async function inflict(fault: Fault, { cluster, supervisor, log, brokers, disk }: Field): Promise<void> {
  switch (fault.kind) {
    case 'kill':
      return supervisor.kill(fault.process);
    case 'outage':
      return cluster[fault.server].restart(fault.ms);
    case 'leader-move':
      return brokers?.moveLeaders(fault);
    case 'freeze':
      return supervisor.freeze(fault.process, fault.ms);
    case 'clock-skew': {
      const module = new URL(skewedClock);
      module.searchParams.set('ms', String(fault.ms));
      return supervisor.kill(fault.process, [module.href]);
    }
    case 'duplicates':
      return insistently(() => log.duplicate());
    case 'poison':
      return insistently(() => log.poisonTopics());
    case 'full-disk':
      disk?.fill();
      await sleep(fault.ms);
      disk?.free();
  }
}

async function insistently(append: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await append();
    } catch (error) {
      if (tries === appendTriesMax) throw error;
      await sleep(1_000);
    }
  }
}
