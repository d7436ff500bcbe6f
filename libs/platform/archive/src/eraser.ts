import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';
import type { Kysely } from 'kysely';

import {
  type DueStudy,
  dueRows,
  type ErasedRow,
  erasuresUnderWay,
  nextDueStudy,
  recordDeleted,
  recordErasure,
} from './erasure-rows.js';
import type { LedgerEntry } from './pending-row.js';
import type { RuleTwo } from './rule-two.js';
import type { ArchiveTables } from './tables.js';
import type { Tombstones } from './tombstones.js';
import { available } from './unavailable.js';

/** Studies in one run that cannot be erased; with as many it is the disk or the database, and the next run tries again. */
const failedMax = 10;

/** A database that fails over to one that is some seconds behind does so beside us. */
const replayEveryMs = 60_000;

export interface EraserParts {
  readonly db: Kysely<ArchiveTables>;
  readonly store: ObjectStore;
  readonly outbox: Outbox;
  readonly rule: Pick<RuleTwo, 'digestsOf'>;
  readonly tombstones: Pick<Tombstones, 'replayNewer'>;
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The database may be a backup that does not know what was restored, or held, since: the marks in the store are asked. */
class ComparedMarks {
  /** Studies of which something is being decided. */
  undecided: ReadonlySet<string> = new Set();
  #comparedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly tombstones: Pick<Tombstones, 'replayNewer'>) {}

  /** @returns whether it was time to: what was asked of the database before is to be asked again */
  async compareAgain(): Promise<boolean> {
    if (performance.now() - this.#comparedAt < replayEveryMs) return false;
    this.undecided = await this.tombstones.replayNewer();
    this.#comparedAt = performance.now();
    return true;
  }
}

/**
 * Erases the blobs of hidden instances whose time has come. Their rows stay, with UIDs and digests: an object that is
 * sent again is known. A legal hold keeps all of its study, and is asked for behind the same lock that places it. Rows
 * say that a blob is going before it goes, so nothing is shown, or compared with, whose bytes a crash left out; the
 * blobs go without a lock.
 */
export class Eraser {
  constructor(private readonly parts: EraserParts) {}

  /** @param signal ends it early, with the signal's reason @returns how many blobs were erased */
  async run(signal?: AbortSignal): Promise<number> {
    const { db, site, clock, tombstones } = this.parts;
    const marks = new ComparedMarks(tombstones);
    await this.#deleteLeft(marks, signal);
    const failed: string[] = [];
    let erased = 0;
    for (let from: Date | undefined; ;) {
      signal?.throwIfAborted();
      const leftOut = [...failed, ...marks.undecided];
      const next: DueStudy | undefined = await available(nextDueStudy(db, site, { from, now: clock.now(), leftOut }));
      if (!next) return erased;
      if (await marks.compareAgain()) continue;
      from = next.eraseAt;
      try {
        erased += await this.#erase(next.study);
      } catch (error) {
        failed.push(next.study);
        this.parts.logger.error({ study: next.study, err: error }, 'archive.erasure-failed');
        if (failed.length >= failedMax) throw error;
      }
    }
  }

  /** Some of what is due of a study. What was held meanwhile, or restored, is due no more. */
  async #erase(study: string): Promise<number> {
    const { db, site, clock, logger } = this.parts;
    const due = await available(dueRows(db, site, study, clock.now()));
    for (const entry of due.entries) await this.#remember(entry);
    const rows = await available(recordErasure(this.parts, study, due, clock.now()));
    const deleted = await this.#delete(rows);
    if (deleted > 0) logger.info({ study, instances: deleted }, 'archive.erased');
    return deleted;
  }

  /** What the object equals must be known when it is gone. */
  async #remember(entry: LedgerEntry): Promise<void> {
    try {
      await this.parts.rule.digestsOf(entry);
    } catch (error) {
      // The database is older than the erasure of this blob.
      if (!(error instanceof ObjectNotFoundError)) throw error;
    }
  }

  /**
   * Blobs that a run before this one said were going, and that may be there still. A legal hold placed since then keeps
   * them.
   */
  async #deleteLeft(marks: ComparedMarks, signal?: AbortSignal): Promise<void> {
    const { db, site } = this.parts;
    for (let after = 0; ;) {
      signal?.throwIfAborted();
      const rows = await available(erasuresUnderWay(db, site, after));
      const last = rows.at(-1);
      if (!last) return;
      if (await marks.compareAgain()) continue;
      await this.#delete(rows.filter(({ study_instance_uid: study }) => !marks.undecided.has(study)));
      after = last.id;
    }
  }

  /** A blob that cannot be deleted now does not keep the others, and is tried again by the next run. */
  async #delete(rows: readonly ErasedRow[]): Promise<number> {
    const { db, store, logger } = this.parts;
    const deleted: number[] = [];
    let failure: unknown;
    for (const { id, blob_key } of rows) {
      try {
        await store.delete(blob_key);
        deleted.push(id);
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== undefined)
      logger.error({ blobs: rows.length - deleted.length, err: failure }, 'archive.erasure-failed');
    await available(recordDeleted(db, deleted));
    return deleted.length;
  }
}
