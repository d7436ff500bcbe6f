import { imaging } from '@callosum/contracts';
import type { EventLogContext } from '@callosum/event-log';
import { describe, expect, it } from 'vitest';

import { QueueForwards } from '../../application/queue-forwards.js';
import type { ForwardableInstance } from '../../domain/forwarding-rule.js';
import { forwardingRuleInput } from '../../settings-forwarding.js';
import { InstancesRestoredEvents } from './instances-restored.events.js';

const dayMs = 86_400_000;
const shownAgain = (sopInstanceUid: string, source: string, days: number): ForwardableInstance => ({
  storedAt: new Date(Date.now() - days * dayMs),
  studyInstanceUid: '1.2',
  sopInstanceUid,
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  transferSyntaxUid: '1.2.840.10008.1.2.1',
  revision: 1,
  source,
  issuedByCallosum: false,
});

describe('instances that are shown again', () => {
  const told = async (effect: imaging.TombstoneEffect, days = 1): Promise<string[][]> => {
    const queued: string[][] = [];
    const rules = {
      current: () => Promise.resolve([{ id: 'r', ...forwardingRuleInput.parse({ destination: 'PACS' }) }]),
    };
    const queue = {
      add: ({ eventId }: { eventId: string }, { sopInstanceUid }: ForwardableInstance) =>
        Promise.resolve(queued.push([eventId, sopInstanceUid])),
      resume: ({ sopInstanceUid }: ForwardableInstance) =>
        Promise.resolve(queued.push(['if withdrawn', sopInstanceUid])),
    };
    const objects = {
      shown: (study: string, uids: readonly string[]) =>
        Promise.resolve(
          study === '1.2' ? uids.map((uid) => shownAgain(uid, uid === '1.2.3' ? 'PACS' : 'CT1', days)) : [],
        ),
    };
    const events = new InstancesRestoredEvents(new QueueForwards(rules as never, queue as never, 14 * dayMs), objects);
    const instances = ['1.2.1', '1.2.2', '1.2.3'].map((sopInstanceUid) => ({
      seriesInstanceUid: '1.3',
      sopInstanceUid,
    }));
    const message = imaging.TombstoneRecorded.fromPartial({ studyInstanceUid: '1.2', effect, instances });
    await events.tombstoneRecorded(message, { event: { id: 'e1' } } as unknown as EventLogContext);
    return queued;
  };

  it('wait for the destinations of their rules, each once for the fact', async () => {
    expect(await told(imaging.TombstoneEffect.TOMBSTONE_EFFECT_RESTORED)).toEqual([
      ['e1/1.2.1', '1.2.1'],
      ['e1/1.2.2', '1.2.2'],
    ]);
  });

  it('wait only where they were withdrawn, when they are older than what is remembered of what was sent', async () => {
    expect(await told(imaging.TombstoneEffect.TOMBSTONE_EFFECT_RESTORED, 15)).toEqual([
      ['if withdrawn', '1.2.1'],
      ['if withdrawn', '1.2.2'],
    ]);
  });

  it('are none where a fact hides or erases', async () => {
    expect(await told(imaging.TombstoneEffect.TOMBSTONE_EFFECT_HIDDEN)).toEqual([]);
    expect(await told(imaging.TombstoneEffect.TOMBSTONE_EFFECT_ERASED)).toEqual([]);
  });
});
