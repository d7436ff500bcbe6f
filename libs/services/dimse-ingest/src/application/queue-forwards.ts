import type { ForwardOrigin, ForwardQueue, ForwardingRules } from './forwarding-ports.js';
import { type ForwardableInstance, targetsOf } from '../domain/forwarding-rule.js';

/**
 * Queues a stored instance for the destinations its rules name. Without a rule that matches, nothing is written: most
 * sites forward little of what comes.
 */
export class QueueForwards {
  constructor(
    private readonly rules: ForwardingRules,
    private readonly queue: Pick<ForwardQueue, 'add' | 'resume'>,
    /** What was sent is remembered for so long. */
    private readonly retentionMs: number,
  ) {}

  /** @returns for how many destinations it waits now and did not before */
  async execute(origin: ForwardOrigin, instance: ForwardableInstance): Promise<number> {
    const targets = targetsOf(await this.rules.current(), instance);
    return targets.length === 0 ? 0 : this.queue.add(origin, instance, targets);
  }

  /**
   * Queues an instance that is shown again as if it had never been hidden. Nobody knows any more where one was sent that
   * was stored before what is remembered: it goes on only where it was withdrawn while it waited.
   */
  async restored(origin: ForwardOrigin, instance: ForwardableInstance, now = Date.now()): Promise<number> {
    const { storedAt } = instance;
    if (!storedAt || now - storedAt.getTime() < this.retentionMs) return this.execute(origin, instance);
    const targets = targetsOf(await this.rules.current(), instance);
    return targets.length === 0 ? 0 : this.queue.resume(instance, targets);
  }
}
