import { imaging, topics } from '@callosum/contracts';
import type { Outbox } from '@callosum/event-log';
import type { Transaction } from 'kysely';

import type { ArchiveTables } from './tables.js';
import type { TombstoneMark } from './tombstone-marks.js';
import type { TombstoneEffect, TombstoneReason } from './tombstone-tables.js';

/** Instances of one fact: 500 are 60 KiB at most, and a consumer reads as many headers when they come back. */
const instancesMax = 500;

const { TombstoneEffect: effects, TombstoneReason: reasons } = imaging;
const effectOf: Readonly<Record<TombstoneEffect, imaging.TombstoneEffect>> = {
  hidden: effects.TOMBSTONE_EFFECT_HIDDEN,
  restored: effects.TOMBSTONE_EFFECT_RESTORED,
  erased: effects.TOMBSTONE_EFFECT_ERASED,
  held: effects.TOMBSTONE_EFFECT_HELD,
  released: effects.TOMBSTONE_EFFECT_RELEASED,
};
const reasonOf: Readonly<Record<TombstoneReason, imaging.TombstoneReason>> = {
  person: reasons.TOMBSTONE_REASON_PERSON,
  retention: reasons.TOMBSTONE_REASON_RETENTION,
  'rejection-note': reasons.TOMBSTONE_REASON_REJECTION_NOTE,
  'result-withdrawn': reasons.TOMBSTONE_REASON_RESULT_WITHDRAWN,
  'received-again': reasons.TOMBSTONE_REASON_RECEIVED_AGAIN,
};

/** What is recorded of a tombstone: a mark, or an erasure, which needs none. */
export type Told = Pick<
  TombstoneMark,
  'tombstoneId' | 'studyInstanceUid' | 'reason' | 'code' | 'actor' | 'instances' | 'recordedAt'
> & { readonly effect: TombstoneEffect; readonly sequence: number };

/** Tells of a tombstone in its transaction, in as many facts as its instances need. */
export async function tellTombstone(trx: Transaction<ArchiveTables>, outbox: Outbox, told: Told): Promise<void> {
  const { tombstoneId, studyInstanceUid, code: rejection, actor, recordedAt, instances } = told;
  for (let at = 0; at === 0 || at < instances.length; at += instancesMax) {
    await outbox.add(
      trx,
      topics.tombstoneRecorded,
      imaging.TombstoneRecorded.fromPartial({
        studyInstanceUid,
        tombstoneId,
        sequence: BigInt(told.sequence),
        effect: effectOf[told.effect],
        reason: reasonOf[told.reason],
        ...(rejection ? { rejection } : {}),
        instances: instances.slice(at, at + instancesMax),
        actor,
        recordedAt,
      }),
    );
  }
}
