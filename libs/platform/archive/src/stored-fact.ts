import { imaging } from '@callosum/contracts';
import type { Selectable } from 'kysely';

import type { IntakeRow } from './tables.js';

const originOf: Record<IntakeRow['origin'], imaging.InstanceOrigin> = {
  dimse: imaging.InstanceOrigin.INSTANCE_ORIGIN_DIMSE,
  stow: imaging.InstanceOrigin.INSTANCE_ORIGIN_STOW,
  callosum: imaging.InstanceOrigin.INSTANCE_ORIGIN_CALLOSUM,
};

/** What others are told of a row: UIDs and where the bytes are. @param revisionFloor see `InstanceStored` */
export const factOf = (entry: Selectable<IntakeRow>, revisionFloor: number): imaging.InstanceStored =>
  imaging.InstanceStored.fromPartial({
    studyInstanceUid: entry.study_instance_uid,
    seriesInstanceUid: entry.series_instance_uid,
    sopInstanceUid: entry.sop_instance_uid,
    sopClassUid: entry.sop_class_uid,
    transferSyntaxUid: entry.transfer_syntax_uid,
    blob: { key: entry.blob_key, byteCount: BigInt(entry.byte_count), sha256: entry.sha256 },
    instanceRevision: entry.revision,
    current: entry.current && !entry.withheld,
    origin: originOf[entry.origin],
    source: entry.source,
    issuedByCallosum: entry.issued_by_callosum,
    associationId: entry.association_id ?? '',
    storedAt: entry.stored_at.toISOString(),
    revisionFloor,
    withheld: entry.withheld,
  });
