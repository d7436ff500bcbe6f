import type { ForwardOrigin, ForwardQueue, ForwardingRules } from './forwarding-ports.js';
import { type ForwardableInstance, targetsOf } from '../domain/forwarding-rule.js';

/**
 * Queues a stored instance for the destinations its rules name. Without a rule that matches, nothing is written: most
 * sites forward little of what comes.
 */
export class QueueForwards {
  constructor(
    private readonly rules: ForwardingRules,
    private readonly queue: ForwardQueue,
  ) {}

  /** @returns for how many destinations it waits now and did not before */
  async execute(origin: ForwardOrigin, instance: ForwardableInstance): Promise<number> {
    const targets = targetsOf(await this.rules.current(), instance);
    return targets.length === 0 ? 0 : this.queue.add(origin, instance, targets);
  }
}
