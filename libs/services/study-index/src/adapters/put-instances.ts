import { sql, type Transaction } from 'kysely';

import { imagePixelOf } from '../domain/image-pixel.js';
import { patientDigest } from '../domain/identity.js';
import { type InstanceRecord, recordBytesOf } from '../domain/instance.js';
import { putFrames } from './frame-pages.js';
import { jsonColumn } from './json-column.js';
import { asContention } from './patients.js';
import { cleanIdentity, patientRow } from './rows.js';
import { storedPieces } from './stored-pieces.js';
import type { InstanceTable, StudyIndexTables } from './tables.js';

/** Of one statement: it is in memory as text beside the records, and again in the driver. One instance may take more. */
const statementBytesMax = 4 * 1024 * 1024;

/** Writes rows of instances, each once, with what they refer to. */
export async function putInstances(
  trx: Transaction<StudyIndexTables>,
  records: readonly InstanceRecord[],
): Promise<void> {
  for (const some of inStatements(records)) await putTogether(trx, some);
}

/** @returns the records in their order, in lists that are written by one statement each */
function inStatements(records: readonly InstanceRecord[]): InstanceRecord[][] {
  const lists: InstanceRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const own = recordBytesOf(record);
    if (bytes + own > statementBytesMax) lists.push([]);
    bytes = bytes + own > statementBytesMax ? own : bytes + own;
    lists.at(-1)?.push(record);
  }
  return lists;
}

/** @param records one at least */
async function putTogether(trx: Transaction<StudyIndexTables>, records: readonly InstanceRecord[]): Promise<void> {
  const identities = records.map(({ patient }) => cleanIdentity(patient));
  const digests = identities.map(patientDigest);
  const patients = identities.map((identity, i) => patientRow(digests[i] ?? '', identity));
  const rows = records.map((record, i) => instanceRow(record, digests[i] ?? ''));
  const uids = records.map(({ sopInstanceUid }) => sopInstanceUid);
  await trx
    // One statement with what they refer to: the reference is checked at its end.
    .with('patient_of_instance', (db) =>
      db
        .insertInto('patient')
        // In one order: two studies that share new patients wait for each other instead of deadlocking.
        .values(patients.toSorted((a, b) => (a.patient_digest < b.patient_digest ? -1 : 1)))
        .onConflict((on) => on.doNothing()),
    )
    // Of the blob before, or of a reader before.
    .with('frames_before', (db) => db.deleteFrom('instance_frames').where('sop_instance_uid', 'in', uids))
    .insertInto('instance')
    .values(rows)
    .onConflict((on) =>
      on.column('sop_instance_uid').doUpdateSet((eb) => {
        // A key that is written, if only as it was, locks the row against those that refer to it.
        const columns = (Object.keys(rows[0] ?? {}) as (keyof InstanceTable)[]).filter(
          (name) => name !== 'sop_instance_uid',
        );
        return Object.fromEntries(columns.map((column) => [column, eb.ref(`excluded.${column}`)]));
      }),
    )
    .execute()
    .catch((error: unknown) => {
      throw asContention(error, uids[0] ?? '');
    });
  for (const record of records) await putFrames(trx, record);
}

const instanceRow = (record: InstanceRecord, patient_digest: string) => ({
  sop_instance_uid: record.sopInstanceUid,
  study_instance_uid: record.studyInstanceUid,
  series_instance_uid: record.seriesInstanceUid,
  sop_class_uid: record.sopClassUid,
  transfer_syntax_uid: record.transferSyntaxUid,
  instance_revision: record.instanceRevision,
  blob_key: record.blob.key,
  blob_bytes: record.blob.byteCount,
  blob_sha256: record.blob.sha256,
  issued_by_callosum: record.issuedByCallosum,
  source: record.source,
  association_id: record.associationId,
  stored_at: record.storedAt,
  patient_digest,
  instance_number: record.instanceNumber,
  image: jsonColumn(record.image),
  pixel_data: jsonColumn(record.pixelData),
  metadata: jsonColumn(record.metadata),
  metadata_pieces: storedPieces(record.pieces, record.isPartial),
  metadata_pieces_blob: record.blob.key,
  image_pixel: jsonColumn(imagePixelOf(record.metadata)),
  seen_at: sql<Date>`now()`,
});
