import type { Logger } from '@callosum/telemetry';
import { sql } from 'kysely';

import type { Decided, Hide, Restore } from './decided.js';
import { NothingKeptError, RejectedError, TombstonesChangedError } from './errors.js';
import { isGoing, keptIn, mayLetGo, resultsOf, type RetentionOver, type TombstoneScope } from './kept-scope.js';
import {
  isObeyed,
  markAndRecord,
  type MarkParts,
  nothingRecorded,
  type Recorded,
  type Unplaced,
} from './mark-and-record.js';
import { decisionsOf, isOvertaken, type NoteDecision } from './note-decisions.js';
import type { PendingRow } from './pending-row.js';
import { Readmissions } from './readmissions.js';
import { hiddenIn, isNothing, isSame, receivedAgain, rejectedBy, type TakenBack } from './restorable.js';
import type { TombstoneMark, WithheldInstance } from './tombstone-marks.js';
import type { Stands } from './tombstone-record.js';
import { recordReplayed, replayedThrough, replayMarks, studiesUndecided } from './tombstone-replay.js';
import { statusOf, type TombstoneStatus } from './tombstone-status.js';
import type { TombstoneReason } from './tombstone-tables.js';
import { available } from './unavailable.js';
import { whileItChanges } from './while-it-changes.js';

const revised = (revisedAt: Date | undefined): Pick<TombstoneMark, 'revisedAt'> =>
  revisedAt ? { revisedAt: revisedAt.toISOString() } : {};

/** Data Retention Policy Expired (PS3.16 CID 7011): such objects may come again. */
const retentionExpired = '113039';

/** A mark this young may belong to a transaction that has not ended: who wrote it records it. */
const underWayMs = 60_000;
/** Clocks of replicas differ: marks may be written behind where the last comparison ended. */
const overlapMs = 3_600_000;

export interface TombstoneParts extends MarkParts {
  readonly logger: Logger;
}

/**
 * What of the archive is shown, and what of it is erased one day. Each decision is durable beside the blobs before it is
 * recorded with its facts, so that a ledger made again from the blobs obeys it.
 */
export class Tombstones {
  readonly #readmissions = new Readmissions((rows) => this.#readmit(rows));

  constructor(private readonly parts: TombstoneParts) {}

  /** Hides what the archive keeps of a scope now. @throws {NothingKeptError} @throws {TombstonesChangedError} */
  async hide(scope: TombstoneScope, hide: Hide): Promise<Recorded> {
    return whileItChanges(async (look) => {
      const instances = await this.#kept(scope);
      if (instances.length === 0) throw new NothingKeptError();
      const named = new Set(instances.map(({ sopInstanceUid }) => sopInstanceUid));
      const isWhole: Stands = async (trx) => {
        const now = await keptIn(trx, this.parts.site, scope);
        const distinct = new Set(now.map(({ sopInstanceUid }) => sopInstanceUid));
        look.changed = distinct.size !== named.size || [...distinct].some((uid) => !named.has(uid));
        return !look.changed;
      };
      return this.#hide(scope.studyInstanceUid, instances, hide, isWhole);
    });
  }

  /**
   * Hides a study whose retention is over.
   * @returns 0 instances where something came since, or is unknown to who decided, or a legal hold or a person keeps it
   */
  async letGo(
    studyInstanceUid: string,
    { eraseAfterMs, ...over }: RetentionOver & { readonly eraseAfterMs: number | null },
  ): Promise<Recorded> {
    const { db, site } = this.parts;
    const instances = await this.#kept({ studyInstanceUid });
    if (!(await available(mayLetGo(db, site, studyInstanceUid, over)))) return nothingRecorded;
    const hide = { reason: 'retention', actor: 'retention', eraseAfterMs } as const;
    try {
      // Asked again behind the lock.
      return await this.#hide(studyInstanceUid, instances, hide, (trx) => mayLetGo(trx, site, studyInstanceUid, over));
    } catch (error) {
      if (error instanceof TombstonesChangedError) return nothingRecorded;
      throw error;
    }
  }

  /** Hides these instances of a study, also those that come later. @throws {TombstonesChangedError} */
  hideInstances(studyInstanceUid: string, instances: readonly WithheldInstance[], hide: Hide): Promise<Recorded> {
    const { db, site } = this.parts;
    return whileItChanges(async (look) => {
      const overtaken = (on: typeof db) => isOvertaken(on, site, studyInstanceUid, hide.actor, hide.isOvertakenBy);
      if (await available(overtaken(db))) return nothingRecorded;
      const stands: Stands = async (trx) => {
        look.changed = await overtaken(trx);
        return !look.changed;
      };
      return this.#hide(studyInstanceUid, instances, hide, stands);
    });
  }

  async #hide(
    studyInstanceUid: string,
    instances: readonly WithheldInstance[],
    { reason, code, cause, revisedAt, eraseAfterMs, actor, expectedSequence }: Hide,
    stands?: Stands,
  ): Promise<Recorded> {
    const distinct = [...new Map(instances.map((one) => [one.sopInstanceUid, one])).values()];
    if (distinct.length === 0) return nothingRecorded;
    const now = this.parts.clock.now();
    const mark: Unplaced = {
      ...this.#mark(studyInstanceUid, 'hidden', reason, actor),
      ...(code ? { code } : {}),
      ...(cause === undefined ? {} : { cause }),
      ...revised(revisedAt),
      instances: distinct,
      admitsAgain: reason === 'retention' || reason === 'result-withdrawn' || code?.value === retentionExpired,
      eraseAt: eraseAfterMs === null ? null : new Date(now.getTime() + eraseAfterMs).toISOString(),
    };
    if (cause !== undefined && (await isObeyed(this.parts, cause))) return nothingRecorded;
    return markAndRecord(this.parts, mark, { kind: 'last', expected: expectedSequence, stands });
  }

  /** Withdraws objects that Callosum made, by their UIDs; those that are withdrawn already, or not kept, are passed over. */
  async hideResults(studyInstanceUid: string, sopInstanceUids: readonly string[], actor: string): Promise<Recorded> {
    const wanted = new Set(sopInstanceUids);
    const results = await available(resultsOf(this.parts.db, this.parts.site, studyInstanceUid));
    const kept = results.filter((one) => wanted.has(one.sopInstanceUid));
    return this.#hide(studyInstanceUid, kept, { reason: 'result-withdrawn', eraseAfterMs: null, actor });
  }

  /**
   * Shows again what persons and retention hid of a scope. What a note rejected stays hidden unless it is named, and what
   * Callosum withdrew with its images until it is published again: of those only what else hides them is taken back. What
   * is erased stays gone, and may be received again.
   * @throws {NothingKeptError} when nothing of it is hidden @throws {RejectedError} @throws {TombstonesChangedError}
   */
  async restore(scope: TombstoneScope, { actor, expectedSequence, rejected }: Restore): Promise<Recorded> {
    const { db, site } = this.parts;
    const all = rejected ?? scope.sopInstanceUid !== undefined;
    return whileItChanges(async (look) => {
      const found = await available(hiddenIn(db, site, scope, all));
      if (!found.isHidden) throw new NothingKeptError();
      if (isNothing(found)) throw new RejectedError();
      // A note may have come that rejects what is to be shown.
      const stands: Stands = async (trx) => {
        look.changed = !isSame(found, await hiddenIn(trx, site, scope, all));
        return !look.changed;
      };
      const { instances, remaining } = found;
      const mark = { ...this.#mark(scope.studyInstanceUid, 'restored', 'person', actor), instances, remaining };
      return markAndRecord(this.parts, mark, { kind: 'last', expected: expectedSequence, stands });
    });
  }

  /**
   * Takes back what a rejection note said of instances that turned out to be none of its own. What others hide too stays
   * hidden, and is not rejected any more.
   */
  async unreject(studyInstanceUid: string, takenBack: TakenBack): Promise<Recorded> {
    const { db, site } = this.parts;
    const { note, cause, leavesWord = false, isOvertakenBy, revisedAt } = takenBack;
    const overtaken = (on: typeof db) => isOvertaken(on, site, studyInstanceUid, note, isOvertakenBy);
    return whileItChanges(async (look) => {
      if (await available(overtaken(db))) return nothingRecorded;
      const found = await available(rejectedBy(db, site, studyInstanceUid, takenBack));
      // A revision that hid something itself left its word with that, and takes it back without another.
      const isKnown = cause !== undefined && (await isObeyed(this.parts, cause));
      if (isNothing(found) && (isKnown || !leavesWord)) return nothingRecorded;
      // A person may have hidden one of them too, or the note been corrected again.
      const stands: Stands = async (trx) => {
        const now = await rejectedBy(trx, site, studyInstanceUid, takenBack);
        look.changed = !isSame(found, now) || (await overtaken(trx));
        return !look.changed;
      };
      const { instances, remaining } = found;
      const unplaced = { ...this.#mark(studyInstanceUid, 'restored', 'rejection-note', note), ...revised(revisedAt) };
      const mark = { ...unplaced, ...(cause === undefined || isKnown ? {} : { cause }), instances, remaining };
      return markAndRecord(this.parts, mark, { kind: 'last', stands });
    });
  }

  /** What was decided on a study for the revisions of a note, in that order. */
  decisionsOf(studyInstanceUid: string, note: string): Promise<NoteDecision[]> {
    return available(decisionsOf(this.parts.db, this.parts.site, studyInstanceUid, note));
  }

  /**
   * A legal hold: nothing of the study is erased, also what is said to be and could not be deleted yet.
   * @throws {NothingKeptError} @throws {TombstonesChangedError}
   */
  async hold(studyInstanceUid: string, { actor, expectedSequence }: Decided): Promise<Recorded> {
    const { db, site } = this.parts;
    const isKept = (await this.#kept({ studyInstanceUid })).length > 0;
    if (!isKept && !(await available(isGoing(db, site, studyInstanceUid)))) throw new NothingKeptError();
    const mark = this.#mark(studyInstanceUid, 'held', 'person', actor);
    return markAndRecord(this.parts, mark, { kind: 'last', expected: expectedSequence });
  }

  /** Lifts the hold, where there is one; what was due meanwhile is erased soon. @throws {TombstonesChangedError} */
  async release(studyInstanceUid: string, { actor, expectedSequence }: Decided): Promise<Recorded> {
    const { legalHold, sequence } = await this.status(studyInstanceUid);
    if (expectedSequence !== undefined && expectedSequence !== sequence) throw new TombstonesChangedError();
    if (!legalHold) return nothingRecorded;
    const mark = this.#mark(studyInstanceUid, 'released', 'person', actor);
    return markAndRecord(this.parts, mark, { kind: 'last', expected: expectedSequence });
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

  /**
   * An instance came that may come again: it is shown, or kept where a note rejects it. Nothing where a decision in between
   * hides it from that too, or shows it already: who asks judges it again.
   */
  readmit(row: PendingRow): Promise<void> {
    return this.#readmissions.add(row);
  }

  async #readmit(rows: readonly PendingRow[]): Promise<void> {
    const [first] = rows;
    if (!first) return;
    const { db, site } = this.parts;
    const { studyInstanceUid } = first.written;
    const received = rows.map(({ written }) => written);
    const found = await available(receivedAgain(db, site, first, received));
    if (isNothing(found)) return;
    const { instances, remaining } = found;
    const mark = this.#mark(studyInstanceUid, 'restored', 'received-again', first.intake.source);
    const stands: Stands = async (trx) => isSame(found, await receivedAgain(trx, site, first, received));
    try {
      await markAndRecord(this.parts, { ...mark, instances, remaining }, { kind: 'last', stands });
    } catch (error) {
      if (!(error instanceof TombstonesChangedError)) throw error;
    }
  }

  /** Records what lies beside the blobs and the ledger does not know: it is older than they are, or was lost. */
  replay(): Promise<void> {
    return replayMarks(this.parts, 0, Infinity);
  }

  /**
   * The same, for what this database was not compared with yet: before anything is erased, for it may be a backup that is
   * older than a restore or a legal hold. The database itself says how far it is known, so a restored one begins there.
   * @returns studies of which nothing may be erased now: a mark is so young that nobody knows whether its writer records it
   */
  async replayNewer(): Promise<ReadonlySet<string>> {
    const { db, site, clock } = this.parts;
    const through = await available(replayedThrough(db, site));
    const settled = clock.now().getTime() - underWayMs;
    await replayMarks(this.parts, through - overlapMs, settled);
    await available(recordReplayed(db, site, settled));
    return studiesUndecided(this.parts, settled);
  }

  #kept(scope: TombstoneScope): Promise<WithheldInstance[]> {
    return available(keptIn(this.parts.db, this.parts.site, scope));
  }

  #mark(studyInstanceUid: string, effect: TombstoneMark['effect'], reason: TombstoneReason, actor: string): Unplaced {
    const recordedAt = this.parts.clock.now().toISOString();
    const nothing = { instances: [], admitsAgain: false, eraseAt: null };
    return { studyInstanceUid, effect, reason, actor, recordedAt, ...nothing };
  }
}
