import { asPrepared } from '@callosum/database';
import { type Kysely, sql } from 'kysely';

import type { LedgerEntry } from './pending-row.js';
import type { ArchiveTables } from './tables.js';

/** Which current instances: of a study, of one of its series, one, or those of a list. */
export interface InstanceSelection {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
  readonly sopInstanceUids?: readonly string[];
}

/** Current instances of a study. */
export interface StudyIntake {
  readonly instances: number;
  readonly bytes: number;
  /** Made by Callosum (rule 4). */
  readonly issued: number;
  /** Of source instances; null when there are none. */
  readonly firstStoredAt: Date | null;
  readonly lastStoredAt: Date | null;
}

/** A current instance as far as another table can be compared with it. */
export interface KeptInstance {
  readonly sopInstanceUid: string;
  readonly revision: number;
  /** When its first byte came. */
  readonly storedAt: Date;
}

/** Where the bytes of a current instance are, and what a reader of them has to know. */
export interface KeptBlob {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly blobKey: string;
  readonly byteCount: number;
}

/** Rows read at once of a selection that has many: a study of 100,000 instances is 40 MiB of text. */
const blobRowsMax = 5_000;

/** What the ledger says to readers: current instances that no tombstone withholds. Throws the database's errors. */
export class KeptInstances {
  constructor(
    private readonly db: Kysely<ArchiveTables>,
    private readonly site: string,
    private readonly rowsMax = blobRowsMax,
  ) {}

  /** In the order they came. */
  locate(selection: InstanceSelection): Promise<LedgerEntry[]> {
    return this.#selected(selection).selectAll().orderBy('id').execute();
  }

  /** In the order they came, as they are at one moment. */
  async blobsOf(selection: InstanceSelection): Promise<KeptBlob[]> {
    const columns = this.#selected(selection)
      .select(['study_instance_uid as studyInstanceUid', 'series_instance_uid as seriesInstanceUid'])
      .select(['sop_instance_uid as sopInstanceUid', 'transfer_syntax_uid as transferSyntaxUid'])
      .select(['blob_key as blobKey', 'byte_count as byteCount'])
      .orderBy('id');
    const some = columns.limit(this.rowsMax + 1);
    // Of one instance, as for each frame that somebody scrolls through, planning would take longer than finding it.
    const isOne = selection.sopInstanceUid !== undefined;
    const first = await (isOne ? asPrepared(() => some.execute()) : some.execute());
    if (first.length <= this.rowsMax) return first;
    // Rarely: a cursor sees one moment, where pages that are asked for one by one would see an instance twice, or not at
    // all, when it is corrected in between.
    return this.db.transaction().execute(async (trx) => {
      await sql`declare kept_blobs no scroll cursor for ${columns}`.execute(trx);
      const shared = new Shared();
      const found: KeptBlob[] = [];
      for (;;) {
        const { rows } = await sql<KeptBlob>`fetch ${sql.lit(this.rowsMax)} from kept_blobs`.execute(trx);
        for (const row of rows) found.push(shared.of(row));
        if (rows.length < this.rowsMax) return found;
      }
    });
  }

  /** What is kept of a study, in numbers; undefined when nothing is. */
  async intakeOf(studyInstanceUid: string): Promise<StudyIntake | undefined> {
    const { rows } = await sql<StudyIntake>`
      select count(*) as instances, coalesce(sum(byte_count), 0)::bigint as bytes,
        count(*) filter (where issued_by_callosum) as issued,
        min(stored_at) filter (where not issued_by_callosum) as "firstStoredAt",
        max(stored_at) filter (where not issued_by_callosum) as "lastStoredAt"
      from intake where site = ${this.site} and current and not withheld and study_instance_uid = ${studyInstanceUid}`.execute(
      this.db,
    );
    const [row] = rows;
    return row && row.instances > 0 ? row : undefined;
  }

  /** All that was acknowledged of a study and made by others than Callosum (rule 4). */
  sourceInstancesOf(studyInstanceUid: string): Promise<KeptInstance[]> {
    return this.#selected({ studyInstanceUid })
      .select(['sop_instance_uid as sopInstanceUid', 'revision', 'stored_at as storedAt'])
      .where('issued_by_callosum', '=', false)
      .execute();
  }

  #selected({ studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopInstanceUids }: InstanceSelection) {
    let query = this.db
      .selectFrom('intake')
      .where('site', '=', this.site)
      // Literals: a plan for all values uses an index of current rows only where it says current.
      .where('current', '=', sql.lit(true))
      .where('withheld', '=', sql.lit(false))
      .where('study_instance_uid', '=', studyInstanceUid);
    if (seriesInstanceUid !== undefined) query = query.where('series_instance_uid', '=', seriesInstanceUid);
    if (sopInstanceUid !== undefined) query = query.where('sop_instance_uid', '=', sopInstanceUid);
    if (sopInstanceUids !== undefined)
      query = query.where(sql<boolean>`sop_instance_uid = any(${[...sopInstanceUids]}::text[])`);
    return query;
  }
}

/** The same UIDs stand in every row: each is kept once. */
class Shared {
  readonly #texts = new Map<string, string>();

  of(row: KeptBlob): KeptBlob {
    return {
      ...row,
      studyInstanceUid: this.#text(row.studyInstanceUid),
      seriesInstanceUid: this.#text(row.seriesInstanceUid),
      transferSyntaxUid: this.#text(row.transferSyntaxUid),
    };
  }

  #text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}
