import { imaging, topics } from '@callosum/contracts';
import type { EventLogContext } from '@callosum/event-log';
import { currentTraceparent } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import { QueueForwards } from '../../application/queue-forwards.js';
import type { ShownObjects } from '../../application/forwarding-ports.js';
import { ARCHIVE_OBJECTS } from '../../tokens.js';

/**
 * What is shown again goes where it would have gone had it never been hidden: it may have been stored while it was, or
 * withdrawn while it waited. A destination that was sent it is not sent it again.
 */
@Controller()
export class InstancesRestoredEvents {
  constructor(
    @Inject(QueueForwards) private readonly queueForwards: QueueForwards,
    @Inject(ARCHIVE_OBJECTS) private readonly objects: ShownObjects,
  ) {}

  @EventPattern<string>(topics.tombstoneRecorded.name)
  async tombstoneRecorded(
    @Payload() message: imaging.TombstoneRecorded,
    @Ctx() { event }: EventLogContext,
  ): Promise<void> {
    if (message.effect !== imaging.TombstoneEffect.TOMBSTONE_EFFECT_RESTORED) return;
    const uids = message.instances.map(({ sopInstanceUid }) => sopInstanceUid);
    const traceparent = currentTraceparent() ?? event.traceparent;
    for (const instance of await this.objects.shown(message.studyInstanceUid, uids))
      // Once for each instance of the fact.
      await this.queueForwards.restored({ eventId: `${event.id}/${instance.sopInstanceUid}`, traceparent }, instance);
  }
}
