import { topics } from '@callosum/contracts';
import type { Outbox, OutboxContext } from '@callosum/event-log';
import type { Insertable, Kysely, Selectable, Transaction } from 'kysely';

import { knownUids } from './known-uids.js';
import { isNamed, ledgerRow, withhold } from './ledger-rows.js';
import type { LedgerEntry, PendingRow, Revision } from './pending-row.js';
import { factOf } from './stored-fact.js';
import type { ArchiveTables, IntakeRow } from './tables.js';
import { isEvidence, isLetGoToo } from './tombstone-tables.js';

/** What became of rows that were to be inserted. */
export interface Inserted {
  /** SOP Instance UIDs that had a row before. */
  readonly known: ReadonlySet<string>;
  /** Studies that somebody owns: none of their rows were tried. */
  readonly owned: ReadonlySet<string>;
}

/** What tombstones say of an instance: see `isEvidence` and `isLetGoToo`. */
export type Withholding = Selectable<ArchiveTables['withheld_instance']> & {
  readonly evidence: boolean;
  readonly let_go_too: boolean;
};

/** Thrown when a transaction is to be tried again, as what it stands on has changed. */
class OvertakenError extends Error {}

/** Writes rows and their facts; knows nothing of blobs. */
export class Ledger {
  constructor(
    private readonly db: Kysely<ArchiveTables>,
    private readonly outbox: Outbox,
    private readonly site: string,
  ) {}

  /**
   * One transaction for all: each first object of a UID gets its row and its fact.
   * @param waits for studies that somebody owns; without, their rows are left out
   * @returns the UIDs that had a row before, or that a tombstone hides until they come, and the studies that were left
   *   out; of all of them nothing was written
   */
  async insertNew(pending: readonly PendingRow[], waits = true): Promise<Inserted> {
    for (;;) {
      try {
        return await this.#insertNew(pending, waits);
      } catch (error) {
        if (!(error instanceof OvertakenError)) throw error;
      }
    }
  }

  async #insertNew(pending: readonly PendingRow[], waits: boolean): Promise<Inserted> {
    // In one order everywhere: two batches that share UIDs wait for each other instead of deadlocking.
    const all = [...pending].sort((a, b) => compare(a.written.sopInstanceUid, b.written.sopInstanceUid));
    return this.db.transaction().execute(async (trx) => {
      const { issued, awaited, owned } = await knownUids(trx, this.site, all, waits);
      const sorted = all.filter(({ written }) => !owned.has(written.studyInstanceUid));
      const rows = sorted
        .filter((row) => !awaited.has(row.written.sopInstanceUid))
        .map((row) => ledgerRow(this.site, row, { revision: 1, current: true, decision: 'stored', issued }));
      const inserted = rows.length === 0 ? [] : await this.#insertFirsts(trx, rows);
      await this.#assertNotOvertaken(trx, sorted, inserted);
      const entries = await withhold(trx, inserted);
      const byUid = new Map(entries.map((entry) => [entry.sop_instance_uid, entry]));
      const facts = sorted.flatMap((row) => {
        const entry = byUid.get(row.written.sopInstanceUid);
        return entry ? [{ message: factOf(entry, row.revisionFloor), context: contextOf(row) }] : [];
      });
      if (facts.length > 0) await this.outbox.addAll(trx, topics.instanceStored, facts);
      const known = sorted.map(({ written }) => written.sopInstanceUid).filter((uid) => !byUid.has(uid));
      return { known: new Set(known), owned };
    });
  }

  /**
   * What was known was known before the study was ours: a tombstone that was recorded in between may name what comes, and
   * let it come again. Nearly never: asked of what is hidden alone.
   */
  async #assertNotOvertaken(
    trx: Transaction<ArchiveTables>,
    pending: readonly PendingRow[],
    inserted: readonly { readonly sop_instance_uid: string; readonly named: boolean }[],
  ): Promise<void> {
    const named = new Set(inserted.filter((row) => row.named).map((row) => row.sop_instance_uid));
    const hidden = pending.filter(({ written }) => named.has(written.sopInstanceUid));
    if (hidden.length > 0 && (await knownUids(trx, this.site, hidden, true)).awaited.size > 0)
      throw new OvertakenError();
  }

  #insertFirsts(trx: Transaction<ArchiveTables>, rows: readonly Insertable<IntakeRow>[]) {
    return (
      trx
        .insertInto('intake')
        .values([...rows])
        // Of any unique index: with one named, two that insert a UID at the same moment can collide on another.
        .onConflict((conflict) => conflict.doNothing())
        .returningAll()
        .returning(isNamed)
        .execute()
    );
  }

  /**
   * A further object of a known UID.
   * @param judgedAt sequence of the tombstone that spoke last of it when it was judged; undefined for none
   * @returns false when another row of the UID, or another word of a tombstone, came in between: judge again
   */
  async insertRevision(
    row: PendingRow,
    { decision, current, revision }: Revision,
    digests: { attributesDigest: string; pixelDigest: string } | undefined,
    judgedAt: number | undefined,
  ): Promise<boolean> {
    return this.db.transaction().execute(async (trx) => {
      const uid = row.written.sopInstanceUid;
      const { issued } = await knownUids(trx, this.site, [row], true);
      await this.#lock(trx, uid);
      // A statement of its own, with a snapshot taken behind the lock: it sees what the holder before us committed.
      const { newest } = await trx
        .selectFrom('intake')
        .select((select) => select.fn.max('revision').as('newest'))
        .where('site', '=', this.site)
        .where('sop_instance_uid', '=', uid)
        .executeTakeFirstOrThrow();
      if (newest !== revision - 1) return false;
      // Hidden meanwhile, it may come again: it must not go with what was let go before it came.
      if ((await this.withholding(row, trx))?.sequence !== judgedAt) return false;
      if (current) {
        await trx
          .updateTable('intake')
          .set({ current: false })
          .where('site', '=', this.site)
          .where('sop_instance_uid', '=', uid)
          .where('current', '=', true)
          .execute();
      }
      const values = {
        ...ledgerRow(this.site, row, { revision, current, decision, issued }),
        attributes_digest: digests?.attributesDigest ?? null,
        pixel_digest: digests?.pixelDigest ?? null,
      };
      const inserted = await trx.insertInto('intake').values(values).returningAll().returning(isNamed).execute();
      const facts = (await withhold(trx, inserted)).map((entry) => ({
        message: factOf(entry, row.revisionFloor),
        context: contextOf(row),
      }));
      await this.outbox.addAll(trx, topics.instanceStored, facts);
      return true;
    });
  }

  /** True for a site that has no row. */
  async isEmpty(): Promise<boolean> {
    const row = await this.db
      .selectFrom('intake')
      .select('id')
      .where('site', '=', this.site)
      .limit(1)
      .executeTakeFirst();
    return row === undefined;
  }

  /** Those of these blobs that a row names. */
  async named(blobKeys: readonly string[]): Promise<ReadonlySet<string>> {
    if (blobKeys.length === 0) return new Set();
    const rows = await this.db.selectFrom('intake').select('blob_key').where('blob_key', 'in', blobKeys).execute();
    return new Set(rows.map((row) => row.blob_key));
  }

  /** Further objects of one UID take their turns: its first row, which is never deleted, is the lock. */
  async #lock(trx: Transaction<ArchiveTables>, sopInstanceUid: string): Promise<void> {
    await trx
      .selectFrom('intake')
      .select('id')
      .where('site', '=', this.site)
      .where('sop_instance_uid', '=', sopInstanceUid)
      .where('revision', '=', 1)
      .forUpdate()
      .execute();
  }

  kept(sopInstanceUid: string): Promise<LedgerEntry[]> {
    return this.db
      .selectFrom('intake')
      .selectAll()
      .where('site', '=', this.site)
      .where('sop_instance_uid', '=', sopInstanceUid)
      .orderBy('revision')
      .execute();
  }

  /**
   * UIDs that Callosum gave out, found again on blobs of its own (rule 4). Rows that took an object of such a UID for a
   * source instance meanwhile are put right, and those that are current are told of once more.
   */
  async reissue(sopInstanceUids: readonly string[]): Promise<void> {
    if (sopInstanceUids.length === 0) return;
    await this.db.transaction().execute(async (trx) => {
      // Rows that are taken together are taken in this order, as where many are acknowledged.
      await trx
        .selectFrom('intake')
        .select('id')
        .where('site', '=', this.site)
        .where('sop_instance_uid', 'in', sopInstanceUids)
        .where('issued_by_callosum', '=', false)
        .orderBy('id')
        .forNoKeyUpdate()
        .execute();
      await trx
        .insertInto('issued_instances')
        .values(sopInstanceUids.map((uid) => ({ sop_instance_uid: uid })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const mistaken = await trx
        .updateTable('intake')
        .set({ issued_by_callosum: true })
        .where('site', '=', this.site)
        .where('sop_instance_uid', 'in', sopInstanceUids)
        .where('issued_by_callosum', '=', false)
        .returningAll()
        .execute();
      const facts = mistaken.filter(({ current }) => current).map((entry) => ({ message: factOf(entry, 0) }));
      await this.outbox.addAll(trx, topics.instanceStored, facts);
    });
  }

  async rememberDigests(id: number, attributesDigest: string, pixelDigest: string): Promise<void> {
    await this.db
      .updateTable('intake')
      .set({ attributes_digest: attributesDigest, pixel_digest: pixelDigest })
      .where('id', '=', id)
      .execute();
  }

  /** What tombstones say of an instance of this study; undefined when none names it. */
  async withholding({ written }: PendingRow, db: Kysely<ArchiveTables> = this.db): Promise<Withholding | undefined> {
    return db
      .selectFrom('withheld_instance as w')
      .selectAll()
      .select([isEvidence.as('evidence'), isLetGoToo.as('let_go_too')])
      .where('site', '=', this.site)
      .where('study_instance_uid', '=', written.studyInstanceUid)
      .where('sop_instance_uid', '=', written.sopInstanceUid)
      .executeTakeFirst();
  }
}

const contextOf = ({ intake, traceparent }: PendingRow): OutboxContext => ({
  ...(intake.correlationId === undefined ? {} : { correlationId: intake.correlationId }),
  ...(traceparent === undefined ? {} : { traceparent }),
});

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
