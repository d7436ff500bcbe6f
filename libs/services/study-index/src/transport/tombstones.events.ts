import { imaging, topics } from '@callosum/contracts';
import { EventLogContext } from '@callosum/event-log';
import { LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import type { FactStore } from '../application/facts.js';
import { type BlobReader, headerBytesOf, type HeaderMemory, readInstance } from '../application/read-instance.js';
import { restoreInstances, withholdInstances } from '../application/withhold.js';
import type { ShownInstances, Withholding } from '../application/withholdings.js';
import type { InstanceRecord } from '../domain/instance.js';
import type { QuietPeriods } from '../domain/study.js';
import { BLOBS, FACTS, HEADER_MEMORY, QUIET_PERIODS } from '../tokens.js';
import { factOf } from './imaging.events.js';

const { TOMBSTONE_EFFECT_HIDDEN, TOMBSTONE_EFFECT_RESTORED } = imaging.TombstoneEffect;
const { TOMBSTONE_REASON_REJECTION_NOTE } = imaging.TombstoneReason;

/** What the archive withholds leaves the index, and what it shows again comes back. */
@Controller()
export class TombstoneEvents {
  constructor(
    @Inject(FACTS) private readonly facts: FactStore,
    @Inject(BLOBS) private readonly archive: BlobReader & ShownInstances,
    @Inject(QUIET_PERIODS) private readonly periods: QuietPeriods,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(HEADER_MEMORY) private readonly memory: HeaderMemory,
  ) {}

  /** Holds and erasures change nothing of what is shown. */
  @EventPattern<string>(topics.tombstoneRecorded.name)
  async tombstoneRecorded(
    @Payload() message: imaging.TombstoneRecorded,
    @Ctx() { event }: EventLogContext,
  ): Promise<void> {
    const { studyInstanceUid: study, sequence, instances } = message;
    const isNotes = message.effect === TOMBSTONE_EFFECT_HIDDEN && message.reason === TOMBSTONE_REASON_REJECTION_NOTE;
    const withholding: Withholding = { studyInstanceUid: study, sequence: Number(sequence), isNotes, instances };
    if (message.effect === TOMBSTONE_EFFECT_HIDDEN) {
      const left = await this.facts.once(factOf(event), (index) => withholdInstances(index, withholding, this.periods));
      this.log.info({ study, instances: left ?? 0 }, 'instances.withheld');
    } else if (message.effect === TOMBSTONE_EFFECT_RESTORED) {
      // Read before the transaction begins: no lock waits for the object store.
      const records = await this.#shown(withholding);
      const back = await this.facts.once(factOf(event), (index) =>
        restoreInstances(index, withholding, records, this.periods),
      );
      this.log.info({ study, instances: back ?? 0 }, 'instances.restored');
    }
  }

  async #shown({ studyInstanceUid, instances }: Withholding): Promise<InstanceRecord[]> {
    const uids = new Set(instances.map(({ sopInstanceUid }) => sopInstanceUid));
    const records: InstanceRecord[] = [];
    for (const stored of await this.archive.shown(studyInstanceUid, uids))
      records.push(await this.memory.hold(headerBytesOf(stored), () => readInstance(this.archive, stored)));
    return records;
  }
}
