import type { Outbox } from '@callosum/event-log';
import { type Clock, newId } from '@callosum/kernel';
import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';
import { type Kysely, type QueryExecutorProvider, sql } from 'kysely';

import type { Ledger, LedgerEntry } from './ledger.js';
import type { RuleTwo } from './rule-two.js';
import type { ArchiveTables } from './tables.js';
import { tellTombstone } from './tombstone-facts.js';
import { ownStudy } from './tombstone-lock.js';
import type { TombstoneReason } from './tombstone-tables.js';
import { available } from './unavailable.js';

/** Blobs of one transaction, which who stores into the study waits for: a second or two on S3. */
const batchRows = 50;

export interface EraserParts {
  readonly db: Kysely<ArchiveTables>;
  readonly ledger: Pick<Ledger, 'kept'>;
  readonly store: ObjectStore;
  readonly outbox: Outbox;
  readonly rule: Pick<RuleTwo, 'digestsOf'>;
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

type DueEntry = LedgerEntry & { readonly hidden_for: TombstoneReason };

/**
 * Erases the blobs of hidden instances whose time has come. Their rows stay, with UIDs and digests: an object that is
 * sent again is known. A legal hold keeps all of its study, and is asked for behind the same lock that places it.
 */
export class Eraser {
  constructor(private readonly parts: EraserParts) {}

  /** @param signal ends it early, with the signal's reason @returns how many blobs were erased */
  async run(signal?: AbortSignal): Promise<number> {
    let erased = 0;
    for (;;) {
      signal?.throwIfAborted();
      const due = await available(this.#due(this.parts.db));
      const study = due[0]?.study_instance_uid;
      if (study === undefined) return erased;
      for (const entry of due) await this.#remember(entry);
      const count = await available(this.#erase(study));
      // Held meanwhile, or restored: the next look does not find it.
      if (count > 0) this.parts.logger.info({ study, instances: count }, 'archive.erased');
      erased += count;
    }
  }

  /** Due blobs of one study: of `study`, else of the one that is due for longest. */
  async #due(on: QueryExecutorProvider, study?: string): Promise<DueEntry[]> {
    const { site, clock } = this.parts;
    const ofStudy = study === undefined ? sql`true` : sql`i.study_instance_uid = ${study}`;
    const { rows } = await sql<DueEntry>`
      with due as (
        select i.*, w.erase_at, w.reason as hidden_for from intake i join withheld_instance w on w.site = i.site
          and w.study_instance_uid = i.study_instance_uid and w.sop_instance_uid = i.sop_instance_uid
        where i.site = ${site} and i.withheld and i.erased_at is null and w.withheld
          and w.erase_at <= ${clock.now()} and ${ofStudy}
          and not exists (select 1 from legal_hold h
            where h.site = i.site and h.study_instance_uid = i.study_instance_uid)
      ), first as (select study_instance_uid from due order by erase_at limit 1)
      select due.* from due join first using (study_instance_uid) order by due.id limit ${batchRows}`.execute(on);
    return rows;
  }

  /** What the object equals must be known when it is gone. */
  async #remember(entry: LedgerEntry): Promise<void> {
    try {
      await this.parts.rule.digestsOf(entry);
    } catch (error) {
      // An attempt before this one came as far as the blob.
      if (!(error instanceof ObjectNotFoundError)) throw error;
    }
  }

  #erase(studyInstanceUid: string): Promise<number> {
    const { db, store, outbox, site, clock } = this.parts;
    return db.transaction().execute(async (trx) => {
      await ownStudy(trx, studyInstanceUid);
      const due = await this.#due(trx, studyInstanceUid);
      const [first] = due;
      if (!first) return 0;
      for (const { blob_key } of due) await store.delete(blob_key);
      const recordedAt = clock.now();
      await trx
        .updateTable('intake')
        .set({ erased_at: recordedAt })
        .where(
          'id',
          'in',
          due.map(({ id }) => id),
        )
        .execute();
      const { rows } = await sql<{ sequence: number }>`
        select greatest(${recordedAt.getTime()}::bigint, coalesce(max(sequence), 0) + 1) as sequence from tombstone
        where site = ${site} and study_instance_uid = ${studyInstanceUid}`.execute(trx);
      const sequence = rows[0]?.sequence ?? recordedAt.getTime();
      const tombstone = { tombstoneId: newId(), reason: first.hidden_for, actor: 'archive' };
      const instances = due.map((row) => ({
        seriesInstanceUid: row.series_instance_uid,
        sopInstanceUid: row.sop_instance_uid,
      }));
      await trx
        .insertInto('tombstone')
        .values({
          site,
          study_instance_uid: studyInstanceUid,
          sequence,
          tombstone_id: tombstone.tombstoneId,
          effect: 'erased',
          reason: tombstone.reason,
          code_value: null,
          code_scheme: null,
          actor: tombstone.actor,
          cause: null,
          instance_count: instances.length,
          recorded_at: recordedAt,
        })
        .execute();
      const told = { ...tombstone, studyInstanceUid, effect: 'erased' as const, sequence, instances };
      await tellTombstone(trx, outbox, { ...told, code: undefined, recordedAt: recordedAt.toISOString() });
      return due.length;
    });
  }
}
