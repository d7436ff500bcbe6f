import { type Clock, newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';
import { sql } from 'kysely';

import { NothingKeptError, TombstonesChangedError } from './errors.js';
import { keptIn, mayLetGo, shownResultsOf, type TombstoneScope } from './kept-scope.js';
import type { PendingRow } from './pending-row.js';
import { deleteMark, putMark, type TombstoneMark, type WithheldInstance } from './tombstone-marks.js';
import {
  nextSequence,
  type Place,
  type RecordParts,
  recordTombstone,
  sequenceOfId,
  type Stands,
} from './tombstone-record.js';
import { recordReplayed, replayedThrough, replayMarks } from './tombstone-replay.js';
import { statusOf, type TombstoneStatus } from './tombstone-status.js';
import type { TombstoneReason } from './tombstone-tables.js';
import { available } from './unavailable.js';

/** Who decides, and on what. */
export interface Decided {
  /** Opaque: it stands in events and rows. */
  readonly actor: string;
  /** Sequence of the study's last tombstone as the decision was made on; 0 for none. Not given: whatever it is. */
  readonly expectedSequence?: number | undefined;
}

export interface Hide extends Decided {
  readonly reason: Exclude<TombstoneReason, 'received-again'>;
  /** Document title of a rejection note, without its meaning. */
  readonly code?: { readonly value: string; readonly scheme: string } | undefined;
  /** A further one of the same cause changes nothing. */
  readonly cause?: string | undefined;
  /** Bytes are erased after this many milliseconds; null: never. */
  readonly eraseAfterMs: number | null;
}

/** What was recorded; `instances` 0 and no sequence when nothing was to be. */
export interface Recorded {
  readonly sequence: number | undefined;
  readonly instances: number;
}

/** Data Retention Policy Expired (PS3.16 CID 7011): such objects may come again. */
const retentionExpired = '113039';
/** How often a scope is read again that grows while it is hidden. */
const attemptsMax = 20;
const nothingRecorded: Recorded = { sequence: undefined, instances: 0 };
type Unplaced = Omit<TombstoneMark, 'sequence'>;

/** A mark this young may belong to a transaction that has not ended: who wrote it records it. */
const underWayMs = 60_000;
/** Clocks of replicas differ: marks may be written behind where the last comparison ended. */
const overlapMs = 3_600_000;

export interface TombstoneParts extends RecordParts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What of the archive is shown, and what of it is erased one day. Each decision is durable beside the blobs before it is
 * recorded with its facts, so that a ledger made again from the blobs obeys it.
 */
export class Tombstones {
  constructor(private readonly parts: TombstoneParts) {}

  /** Hides what the archive keeps of a scope now. @throws {NothingKeptError} @throws {TombstonesChangedError} */
  async hide(scope: TombstoneScope, hide: Hide): Promise<Recorded> {
    for (let attempt = 1; ; attempt++) {
      const instances = await this.#kept(scope);
      if (instances.length === 0) throw new NothingKeptError();
      const named = new Set(instances.map(({ sopInstanceUid }) => sopInstanceUid));
      const look = { grew: false };
      const isWhole: Stands = async (trx) => {
        const now = await keptIn(trx, this.parts.site, scope);
        look.grew = now.some(({ sopInstanceUid }) => !named.has(sopInstanceUid));
        return !look.grew;
      };
      try {
        return await this.#hide(scope.studyInstanceUid, instances, hide, isWhole);
      } catch (error) {
        // Something came between the look and the lock: it is of the scope too.
        if (!look.grew || attempt >= attemptsMax) throw error;
      }
    }
  }

  /**
   * Hides a study whose retention is over. @param quietSince nothing of it came, or came again, after that
   * @returns 0 instances where something did, or a legal hold or a person keeps it
   */
  async letGo(
    studyInstanceUid: string,
    { eraseAfterMs, quietSince }: { readonly eraseAfterMs: number | null; readonly quietSince: Date },
  ): Promise<Recorded> {
    const { db, site } = this.parts;
    const instances = await this.#kept({ studyInstanceUid });
    if (!(await available(mayLetGo(db, site, studyInstanceUid, quietSince)))) return nothingRecorded;
    const hide = { reason: 'retention', actor: 'retention', eraseAfterMs } as const;
    try {
      // Asked again behind the lock.
      return await this.#hide(studyInstanceUid, instances, hide, (trx) =>
        mayLetGo(trx, site, studyInstanceUid, quietSince),
      );
    } catch (error) {
      if (error instanceof TombstonesChangedError) return nothingRecorded;
      throw error;
    }
  }

  /** Hides these instances of a study, also those that come later. @throws {TombstonesChangedError} */
  hideInstances(studyInstanceUid: string, instances: readonly WithheldInstance[], hide: Hide): Promise<Recorded> {
    return this.#hide(studyInstanceUid, instances, hide);
  }

  async #hide(
    studyInstanceUid: string,
    instances: readonly WithheldInstance[],
    { reason, code, cause, eraseAfterMs, actor, expectedSequence }: Hide,
    stands?: Stands,
  ): Promise<Recorded> {
    const distinct = [...new Map(instances.map((one) => [one.sopInstanceUid, one])).values()];
    if (distinct.length === 0) return nothingRecorded;
    const now = this.parts.clock.now();
    const mark: Unplaced = {
      ...this.#mark(studyInstanceUid, 'hidden', reason, actor),
      ...(code ? { code } : {}),
      ...(cause === undefined ? {} : { cause }),
      instances: distinct,
      admitsAgain: reason === 'retention' || reason === 'result-withdrawn' || code?.value === retentionExpired,
      eraseAt: eraseAfterMs === null ? null : new Date(now.getTime() + eraseAfterMs).toISOString(),
    };
    if (cause !== undefined && (await this.#isObeyed(cause))) return nothingRecorded;
    return this.#record(mark, { kind: 'last', expected: expectedSequence, stands });
  }

  /** Hides objects that Callosum made, by their UIDs; those that are not shown, or not kept, are passed over. */
  async hideResults(studyInstanceUid: string, sopInstanceUids: readonly string[], actor: string): Promise<Recorded> {
    const wanted = new Set(sopInstanceUids);
    const shown = await available(shownResultsOf(this.parts.db, this.parts.site, studyInstanceUid));
    const kept = shown.filter((one) => wanted.has(one.sopInstanceUid));
    return this.#hide(studyInstanceUid, kept, { reason: 'result-withdrawn', eraseAfterMs: null, actor });
  }

  /**
   * Shows again what is hidden of a scope, for whatever reason. What is erased stays gone, and may be received again.
   * @throws {NothingKeptError} when nothing of it is hidden @throws {TombstonesChangedError}
   */
  async restore(scope: TombstoneScope, { actor, expectedSequence }: Decided): Promise<Recorded> {
    let query = this.parts.db
      .selectFrom('withheld_instance')
      .select(['series_instance_uid as seriesInstanceUid', 'sop_instance_uid as sopInstanceUid'])
      .where('site', '=', this.parts.site)
      .where('study_instance_uid', '=', scope.studyInstanceUid)
      .where('withheld', '=', true);
    if (scope.seriesInstanceUid !== undefined) query = query.where('series_instance_uid', '=', scope.seriesInstanceUid);
    if (scope.sopInstanceUid !== undefined) query = query.where('sop_instance_uid', '=', scope.sopInstanceUid);
    const instances = await available(query.execute());
    if (instances.length === 0) throw new NothingKeptError();
    const mark = { ...this.#mark(scope.studyInstanceUid, 'restored', 'person', actor), instances };
    return this.#record(mark, { kind: 'last', expected: expectedSequence });
  }

  /** Takes back what a rejection note said of an instance that turned out to be none of its own. */
  async unreject(studyInstanceUid: string, sopInstanceUid: string, actor: string): Promise<Recorded> {
    const query = this.parts.db
      .selectFrom('withheld_instance')
      .select(['series_instance_uid as seriesInstanceUid', 'sop_instance_uid as sopInstanceUid'])
      .where('site', '=', this.parts.site)
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('sop_instance_uid', '=', sopInstanceUid)
      .where('withheld', '=', true)
      .where('reason', '=', 'rejection-note');
    const instances = await available(query.execute());
    if (instances.length === 0) return nothingRecorded;
    const mark = { ...this.#mark(studyInstanceUid, 'restored', 'rejection-note', actor), instances };
    return this.#record(mark, { kind: 'last' });
  }

  /** A legal hold: nothing of the study is erased. @throws {NothingKeptError} @throws {TombstonesChangedError} */
  async hold(studyInstanceUid: string, { actor, expectedSequence }: Decided): Promise<Recorded> {
    if ((await this.#kept({ studyInstanceUid })).length === 0) throw new NothingKeptError();
    const mark = this.#mark(studyInstanceUid, 'held', 'person', actor);
    return this.#record(mark, { kind: 'last', expected: expectedSequence });
  }

  /** Lifts the hold, where there is one; what was due meanwhile is erased soon. @throws {TombstonesChangedError} */
  async release(studyInstanceUid: string, { actor, expectedSequence }: Decided): Promise<Recorded> {
    const { legalHold, sequence } = await this.status(studyInstanceUid);
    if (expectedSequence !== undefined && expectedSequence !== sequence) throw new TombstonesChangedError();
    if (!legalHold) return nothingRecorded;
    const mark = this.#mark(studyInstanceUid, 'released', 'person', actor);
    return this.#record(mark, { kind: 'last', expected: expectedSequence });
  }

  /** What stands of a study now, and how it came to that. */
  status(studyInstanceUid: string): Promise<TombstoneStatus> {
    return available(statusOf(this.parts.db, this.parts.site, studyInstanceUid));
  }

  /** Which of these instances of the study are hidden. */
  async withheldAmong(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<ReadonlySet<string>> {
    if (sopInstanceUids.length === 0) return new Set();
    const query = this.parts.db
      .selectFrom('withheld_instance')
      .select('sop_instance_uid')
      .where('site', '=', this.parts.site)
      .where('study_instance_uid', '=', studyInstanceUid)
      .where(sql<boolean>`sop_instance_uid = any(${[...sopInstanceUids]}::text[])`)
      .where('withheld', '=', true);
    return new Set((await available(query.execute())).map((row) => row.sop_instance_uid));
  }

  /** An instance that may came again. */
  async readmit({ written, intake }: PendingRow): Promise<void> {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = written;
    const mark = this.#mark(studyInstanceUid, 'restored', 'received-again', intake.source);
    await this.#record({ ...mark, instances: [{ seriesInstanceUid, sopInstanceUid }] }, { kind: 'last' });
  }

  /** Records what lies beside the blobs and the ledger does not know: it is older than they are, or was lost. */
  replay(): Promise<void> {
    return replayMarks(this.parts, 0, Infinity);
  }

  /**
   * The same, for what this database was not compared with yet: before anything is erased, for it may be a backup that is
   * older than a restore or a legal hold. The database itself says how far it is known, so a restored one begins there.
   */
  async replayNewer(): Promise<void> {
    const { db, site, clock } = this.parts;
    const through = await available(replayedThrough(db, site));
    const settled = clock.now().getTime() - underWayMs;
    await replayMarks(this.parts, through - overlapMs, settled);
    await available(recordReplayed(db, site, settled));
  }

  async #isObeyed(cause: string): Promise<boolean> {
    const query = this.parts.db
      .selectFrom('tombstone')
      .select('sequence')
      .where('site', '=', this.parts.site)
      .where('cause', '=', cause);
    return (await available(query.executeTakeFirst())) !== undefined;
  }

  #kept(scope: TombstoneScope): Promise<WithheldInstance[]> {
    return available(keptIn(this.parts.db, this.parts.site, scope));
  }

  #mark(studyInstanceUid: string, effect: TombstoneMark['effect'], reason: TombstoneReason, actor: string): Unplaced {
    const recordedAt = this.parts.clock.now().toISOString();
    const nothing = { instances: [], admitsAgain: false, eraseAt: null };
    return { tombstoneId: newId(), studyInstanceUid, effect, reason, actor, recordedAt, ...nothing };
  }

  async #record(unplaced: Unplaced, place: Place): Promise<Recorded> {
    const { store, site, clock } = this.parts;
    const marked = await available(nextSequence(this.parts, unplaced.studyInstanceUid, clock.now()));
    const mark: TombstoneMark = { ...unplaced, sequence: marked };
    await available(putMark(store, site, mark));
    try {
      const sequence = await available(recordTombstone(this.parts, mark, place));
      if (sequence !== undefined) return { sequence, instances: mark.instances.length };
      // A recovery that runs may have found the mark and recorded it.
      const replayed = await available(sequenceOfId(this.parts, mark.tombstoneId));
      if (replayed === undefined) await deleteMark(store, site, mark);
      return { sequence: replayed, instances: replayed === undefined ? 0 : mark.instances.length };
    } catch (error) {
      // Of any other failure nobody knows whether it was committed: the mark stays, and a recovery obeys it.
      if (error instanceof TombstonesChangedError) await deleteMark(store, site, mark).catch(() => undefined);
      throw error;
    }
  }
}
