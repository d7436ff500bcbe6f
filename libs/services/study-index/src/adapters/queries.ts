import { imaging } from '@callosum/contracts';
import { dicomJsonText } from '@callosum/dicom';
import { type Kysely, type Selectable, sql } from 'kysely';

import type { IndexQueries, InstanceScope, LocatedObject, SeriesScope } from '../application/queries.js';
import { NotIndexedError } from '../domain/errors.js';
import { type DicomJson, jsonText, type StoredPixelLayout } from '../domain/instance.js';
import { framesOfInstance, singleFrames } from './frames.js';
import { fittingPage, inInstanceOrder, type InstancePosition, pageByPage, pageOf } from './instance-pages.js';
import { fragmentsOf } from './metadata-fragments.js';
import type { InstanceTable, SeriesTable, StudyIndexTables } from './tables.js';
import { unindexedBlobs } from './unindexed-blobs.js';

/** Rows with metadata or layouts that are read at once at most. */
const pageRows = 200;
/** Geometry rows read at once. */
const geometryPageRows = 2_000;

type InstanceRow = Omit<
  Selectable<InstanceTable>,
  'metadata' | 'metadata_pieces' | 'metadata_pieces_blob' | 'image_pixel' | 'pixel_data' | 'patient_digest' | 'seen_at'
>;

/** Answers about indexed studies, from PostgreSQL. */
export class PostgresIndexQueries implements IndexQueries {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  async study(studyInstanceUid: string): Promise<imaging.Study> {
    const row = await this.db
      .selectFrom('study')
      .selectAll()
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    if (!row) throw new NotIndexedError('study', studyInstanceUid);
    const series = await this.db
      .selectFrom('series')
      .selectAll()
      .where('study_instance_uid', '=', studyInstanceUid)
      .orderBy('series_number', (order) => order.asc().nullsLast())
      .orderBy('series_instance_uid')
      .execute();
    const instances = new Map<string, imaging.Instance[]>();
    for await (const instance of this.instanceRows({ studyInstanceUid })) {
      const list = instances.get(instance.series_instance_uid) ?? [];
      instances.set(instance.series_instance_uid, list);
      list.push(toInstance(instance));
    }
    return {
      studyInstanceUid,
      revision: row.revision,
      state:
        row.state === 'complete' ? imaging.StudyState.STUDY_STATE_COMPLETE : imaging.StudyState.STUDY_STATE_RECEIVING,
      studyDate: jsonText(row.attributes, '00080020'),
      studyTime: jsonText(row.attributes, '00080030'),
      studyDescription: row.study_description,
      identityDigest: row.identity_digest,
      series: series.map((one) => toSeries(one, instances.get(one.series_instance_uid) ?? [])),
      firstStoredAt: row.first_stored_at.toISOString(),
      timezoneOffsetFromUtc: jsonText(row.attributes, '00080201'),
    };
  }

  async demographics(studyInstanceUid: string): Promise<imaging.GetDemographicsResponse> {
    const row = await this.db
      .selectFrom('study')
      .selectAll()
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    if (!row) throw new NotIndexedError('study', studyInstanceUid);
    return {
      studyInstanceUid,
      revision: row.revision,
      identityDigest: row.identity_digest,
      patientId: row.patient_id,
      issuerOfPatientId: row.issuer_of_patient_id,
      issuerUniversalEntityId: row.issuer_universal_entity_id,
      issuerUniversalEntityIdType: row.issuer_universal_entity_id_type,
      patientName: row.patient_name,
      patientBirthDate: row.patient_birth_date,
      patientSex: row.patient_sex,
      accessionNumber: row.accession_number,
      source: row.source,
      inconsistent: row.inconsistent,
    };
  }

  async *metadata(scope: InstanceScope): AsyncGenerator<imaging.StreamMetadataResponse> {
    const rows = pageByPage((after) => {
      const page = this.page(scope, after).select('metadata').limit(pageRows);
      return fittingPage<InstanceRow & { metadata: DicomJson }>(this.db, page, {
        columns: sql`sized.*`,
        bytes: sql`pg_column_size(metadata)`,
        rowsMax: pageRows,
      });
    });
    for await (const row of rows) {
      yield {
        seriesInstanceUid: row.series_instance_uid,
        sopInstanceUid: row.sop_instance_uid,
        dicomJson: dicomJsonText(row.metadata),
        blobKey: row.blob_key,
      };
    }
  }

  fragments(scope: InstanceScope): AsyncGenerator<imaging.MetadataFragment> {
    return fragmentsOf(this.db, scope);
  }

  async *locations(scope: InstanceScope): AsyncGenerator<imaging.LocateInstancesResponse> {
    const rows = pageByPage((after) => {
      const page = this.page(scope, after).select('pixel_data').limit(pageRows);
      return fittingPage<InstanceRow & { pixel_data: StoredPixelLayout | null }>(this.db, page, {
        columns: sql`sized.*`,
        bytes: sql`coalesce(pg_column_size(pixel_data), 0)`,
        rowsMax: pageRows,
      });
    });
    for await (const row of rows)
      yield { ...locatedOf(row), pixelData: row.pixel_data ? toLayout(row.pixel_data) : undefined };
  }

  async *blobs(scope: InstanceScope): AsyncGenerator<imaging.LocateInstancesResponse> {
    for await (const row of this.instanceRows(scope)) yield locatedOf(row);
  }

  framesOfInstance(scope: Required<InstanceScope>, numbers: readonly number[]): Promise<LocatedObject | undefined> {
    return framesOfInstance(this.db, scope, numbers);
  }

  singleFrames(series: SeriesScope, limit: number): Promise<readonly LocatedObject[]> {
    return singleFrames(this.db, series, limit);
  }

  unindexed(studyInstanceUid: string, blobKeys: readonly string[]): Promise<readonly string[]> {
    return unindexedBlobs(this.db, studyInstanceUid, blobKeys);
  }

  private instanceRows(scope: InstanceScope): AsyncGenerator<InstanceRow> {
    return pageByPage(async (after) =>
      pageOf(await this.page(scope, after).limit(geometryPageRows).execute(), geometryPageRows),
    );
  }

  private page(scope: InstanceScope, after: InstancePosition | undefined) {
    return inInstanceOrder(this.db, scope, after).select([
      'sop_instance_uid',
      'study_instance_uid',
      'series_instance_uid',
      'sop_class_uid',
      'transfer_syntax_uid',
      'instance_revision',
      'blob_key',
      'blob_bytes',
      'blob_sha256',
      'issued_by_callosum',
      'source',
      'association_id',
      'stored_at',
      'instance_number',
      'image',
    ]);
  }
}

function toSeries(row: Selectable<SeriesTable>, instances: imaging.Instance[]): imaging.Series {
  return {
    seriesInstanceUid: row.series_instance_uid,
    modality: row.modality,
    seriesNumber: row.series_number ?? undefined,
    seriesDescription: row.series_description,
    bodyPartExamined: row.body_part_examined,
    laterality: row.laterality,
    frameOfReferenceUid: row.frame_of_reference_uid,
    seriesDate: jsonText(row.attributes, '00080021'),
    seriesTime: jsonText(row.attributes, '00080031'),
    issuedByCallosum: row.source_instance_count === 0,
    instances,
  };
}

const locatedOf = (row: InstanceRow): imaging.LocateInstancesResponse => ({
  seriesInstanceUid: row.series_instance_uid,
  instance: toInstance(row),
  pixelData: undefined,
});

function toInstance(row: InstanceRow): imaging.Instance {
  const { image } = row;
  return {
    sopInstanceUid: row.sop_instance_uid,
    sopClassUid: row.sop_class_uid,
    transferSyntaxUid: row.transfer_syntax_uid,
    instanceNumber: row.instance_number ?? undefined,
    numberOfFrames: image.numberOfFrames,
    rows: image.rows,
    columns: image.columns,
    imageType: [...image.imageType],
    imagePositionPatient: [...image.imagePositionPatient],
    imageOrientationPatient: [...image.imageOrientationPatient],
    pixelSpacing: [...image.pixelSpacing],
    sliceThickness: image.sliceThickness,
    hasRescale: image.hasRescale,
    frameOfReferenceUid: image.frameOfReferenceUid,
    issuedByCallosum: row.issued_by_callosum,
    instanceRevision: row.instance_revision,
    blob: { key: row.blob_key, byteCount: BigInt(row.blob_bytes), sha256: row.blob_sha256 },
  };
}

const toLayout = (layout: NonNullable<Selectable<InstanceTable>['pixel_data']>): imaging.PixelDataLayout => ({
  encapsulated: layout.encapsulated,
  nativeOffset: BigInt(layout.nativeOffset),
  nativeFrameBytes: BigInt(layout.nativeFrameBytes),
  frames: layout.frames.map((fragments) => ({
    fragments: fragments.map(([offset, byteCount]) => ({ offset: BigInt(offset), byteCount: BigInt(byteCount) })),
  })),
});
