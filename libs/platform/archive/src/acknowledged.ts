import type { Clock } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import { type Kysely, type RawBuilder, sql } from 'kysely';

import { classesOf, durableCopies, type KeptCopy } from './durable-classes.js';
import type { LedgerEntry } from './pending-row.js';
import type { ArchiveTables } from './tables.js';
import { sharesStudies } from './tombstone-lock.js';

/** UIDs, or rows, of one statement that takes many. */
const atOnce = 1_000;

interface Acknowledging {
  readonly id: number;
  readonly studyInstanceUid: string;
}

export interface AcknowledgedParts {
  readonly db: Kysely<ArchiveTables>;
  readonly store: ObjectStore;
  readonly site: string;
  readonly clock: Clock;
}

/**
 * Says that objects are kept to who may delete the last other copy upon it, and writes down first that it does: the
 * database may be a backup that learns later of a decision of before, and that must not erase them then.
 */
export class Acknowledged {
  constructor(private readonly parts: AcknowledgedParts) {}

  /** SOP classes under which instances are durable, by SOP Instance UID; see `Archive.keptClasses`. */
  async classesOf(sopInstanceUids: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const durable = await durableCopies(this.parts.store, await this.#copies(sopInstanceUids));
    const kept = new Set<number>();
    for (let at = 0; at < durable.length; at += atOnce) {
      // Hidden meanwhile, its bytes may go: nothing is promised of it.
      for (const id of await this.#acknowledge(durable.slice(at, at + atOnce), sql`not withheld`)) kept.add(id);
    }
    return classesOf(durable.filter(({ id }) => kept.has(id)));
  }

  /** @returns false where it is erased by now: nothing is said of it */
  async says({ id, study_instance_uid: studyInstanceUid }: LedgerEntry): Promise<boolean> {
    // Evidence is hidden, and kept.
    return (await this.#acknowledge([{ id, studyInstanceUid }], sql`true`)).length > 0;
  }

  /** Objects of instances that are kept, current or not. What a tombstone withholds is not: its bytes may go. */
  async #copies(sopInstanceUids: readonly string[]): Promise<KeptCopy[]> {
    const copies: KeptCopy[] = [];
    for (let at = 0; at < sopInstanceUids.length; at += atOnce) {
      const rows = await this.parts.db
        .selectFrom('intake')
        .select(['id', 'study_instance_uid as studyInstanceUid', 'sop_instance_uid as sopInstanceUid'])
        .select(['sop_class_uid as sopClassUid', 'blob_key as blobKey', 'current'])
        .where('site', '=', this.parts.site)
        .where('sop_instance_uid', 'in', sopInstanceUids.slice(at, at + atOnce))
        .where('withheld', '=', false)
        .where('erased_at', 'is', null)
        .execute();
      copies.push(...rows);
    }
    return copies;
  }

  /**
   * Beside others that store into these studies, and before or after a tombstone of them. The rows are taken in one order:
   * two that acknowledge the same wait for each other instead of deadlocking.
   * @returns those of which `holds` is true, and that are not erased
   */
  #acknowledge(rows: readonly Acknowledging[], holds: RawBuilder<unknown>): Promise<number[]> {
    const { db, clock } = this.parts;
    const studies = [...new Set(rows.map(({ studyInstanceUid }) => studyInstanceUid))].sort();
    return db.transaction().execute(async (trx) => {
      await sharesStudies(studies).execute(trx);
      const acknowledged = await sql<{ id: number }>`
        with kept as materialized (select id from intake where id = any(${rows.map(({ id }) => id)}::bigint[])
          and erased_at is null and ${holds} order by id for no key update)
        update intake set acknowledged_at = greatest(acknowledged_at, ${clock.now()}) from kept
        where intake.id = kept.id returning intake.id`.execute(trx);
      return acknowledged.rows.map(({ id }) => id);
    });
  }
}
