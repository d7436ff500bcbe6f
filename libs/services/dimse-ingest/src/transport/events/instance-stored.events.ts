import { imaging, topics } from '@callosum/contracts';
import type { EventLogContext } from '@callosum/event-log';
import { SETTINGS } from '@callosum/runtime';
import { currentTraceparent } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import { QueueForwards } from '../../application/queue-forwards.js';
import type { DimseIngestSettings } from '../../settings.js';

/** What is stored, whichever way it came, may have to go on to others. */
@Controller()
export class InstanceStoredEvents {
  constructor(
    @Inject(QueueForwards) private readonly queueForwards: QueueForwards,
    @Inject(SETTINGS) private readonly settings: Pick<DimseIngestSettings, 'CALLOSUM_FORWARD_RECOVERED'>,
  ) {}

  @EventPattern<string>(topics.instanceStored.name)
  async instanceStored(@Payload() message: imaging.InstanceStored, @Ctx() { event }: EventLogContext): Promise<void> {
    // Other pixels under a known UID (rule 2 of the design): what was sent on before stays the current one.
    if (!message.current) return;
    // A recovery found it in the store: it came long ago, and nobody knows any more where it was sent on.
    if (message.revisionFloor > 0 && !this.settings.CALLOSUM_FORWARD_RECOVERED) return;
    const origin = { eventId: event.id, traceparent: currentTraceparent() ?? event.traceparent };
    const { storedAt, instanceRevision: revision } = message;
    const { studyInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid, source, issuedByCallosum } = message;
    await this.queueForwards.execute(origin, {
      ...{ studyInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid, source, issuedByCallosum, revision },
      ...(storedAt ? { storedAt: new Date(storedAt) } : {}),
    });
  }
}
