import { imaging } from '@callosum/contracts';
import type { EventLogContext } from '@callosum/event-log';
import { describe, expect, it } from 'vitest';

import { QueueForwards } from '../../application/queue-forwards.js';
import type { ForwardableInstance } from '../../domain/forwarding-rule.js';
import { forwardingRuleInput } from '../../settings-forwarding.js';
import { InstanceStoredEvents } from './instance-stored.events.js';

describe('what is stored', () => {
  /** SOP Instance UIDs that wait after these facts, with this setting. */
  const queuedOf = async (
    facts: readonly Partial<imaging.InstanceStored>[],
    CALLOSUM_FORWARD_RECOVERED: boolean,
  ): Promise<string[]> => {
    const queued: string[] = [];
    const rules = {
      current: () => Promise.resolve([{ id: 'r', ...forwardingRuleInput.parse({ destination: 'PACS' }) }]),
    };
    const queue = {
      add: (_: unknown, { sopInstanceUid }: ForwardableInstance) => Promise.resolve(queued.push(sopInstanceUid)),
    };
    const events = new InstanceStoredEvents(new QueueForwards(rules as never, queue as never, 0), {
      CALLOSUM_FORWARD_RECOVERED,
    });
    for (const fact of facts) {
      const message = imaging.InstanceStored.fromPartial({ studyInstanceUid: '1.2', current: true, ...fact });
      await events.instanceStored(message, { event: { id: 'e1' } } as unknown as EventLogContext);
    }
    return queued;
  };
  const facts = [
    { sopInstanceUid: '1.2.1' },
    { sopInstanceUid: '1.2.2', revisionFloor: 100_000 },
    { sopInstanceUid: '1.2.3', current: false },
  ];

  it('waits for the destinations of its rules, and what a recovery found does not', async () => {
    expect(await queuedOf(facts, false)).toEqual(['1.2.1']);
  });

  it('waits with what a recovery found where a site wants it so', async () => {
    expect(await queuedOf(facts, true)).toEqual(['1.2.1', '1.2.2']);
  });
});
