import { type Insertable, sql, type Transaction } from 'kysely';

import type { LedgerEntry, PendingRow, Revision } from './pending-row.js';
import type { ArchiveTables, IntakeRow } from './tables.js';

/** Whether a tombstone withholds what is inserted: asked with the insert, whose snapshot is of behind the study's lock. */
export const isNamed = sql<boolean>`exists (select 1 from withheld_instance w where w.site = intake.site
  and w.study_instance_uid = intake.study_instance_uid and w.sop_instance_uid = intake.sop_instance_uid
  and w.withheld)`.as('named');

/** The row of an object, once it is decided what becomes of it. */
export function ledgerRow(
  site: string,
  { written, intake, storedAt }: PendingRow,
  decided: Revision & { readonly issued: ReadonlySet<string> },
): Insertable<IntakeRow> {
  return {
    site,
    study_instance_uid: written.studyInstanceUid,
    series_instance_uid: written.seriesInstanceUid,
    sop_instance_uid: written.sopInstanceUid,
    sop_class_uid: written.sopClassUid,
    transfer_syntax_uid: written.transferSyntaxUid,
    revision: decided.revision,
    current: decided.current,
    decision: decided.decision,
    blob_key: written.blob.key,
    byte_count: written.blob.byteCount,
    sha256: written.blob.sha256,
    dataset_sha256: written.datasetSha256,
    attributes_digest: null,
    pixel_digest: null,
    origin: intake.origin,
    source: intake.source,
    association_id: intake.associationId ?? null,
    issued_by_callosum: decided.issued.has(written.sopInstanceUid),
    stored_at: storedAt,
  };
}

/** Rows that were just inserted, and that a tombstone named before they came. Nearly always none. */
export async function withhold(
  trx: Transaction<ArchiveTables>,
  inserted: readonly (LedgerEntry & { readonly named: boolean })[],
): Promise<LedgerEntry[]> {
  const named = inserted.filter((entry) => entry.named).map(({ id }) => id);
  if (named.length > 0) {
    await trx.updateTable('intake').set({ withheld: true }).where('id', 'in', named).execute();
    // What came after its bytes were erased is due as they were.
    await sql`
      update withheld_instance w set erased = false from intake i
      where i.id = any(${named}::bigint[]) and w.site = i.site and w.study_instance_uid = i.study_instance_uid
        and w.sop_instance_uid = i.sop_instance_uid and w.erased`.execute(trx);
  }
  return inserted.map(({ named: withheld, ...entry }) => ({ ...entry, withheld }));
}
