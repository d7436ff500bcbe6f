import { createHash } from 'node:crypto';

import { type Attributes, datasetOf, parseFile, writeFile } from '@callosum/dicom';
import { nameUid } from '@callosum/kernel';

import type { BlobReader } from '../application/read-instance.js';
import type { StoredInstance } from '../domain/instance.js';

// Objects made here, and an archive in memory that holds them.

export const uid = (name: string): string => nameUid('study-index-spec', name);

export const blobs = new Map<string, Uint8Array>();
export const ledger = new Map<string, StoredInstance>();
/** Bytes asked of blobs, read by read. */
export const reads: number[] = [];
/** The archive's promise: bytes of a blob by range. */
export const reader: BlobReader = {
  read: (key, offset, byteCount) => {
    reads.push(byteCount);
    const bytes = blobs.get(key);
    if (!bytes) throw new Error(`no blob ${key}`);
    return Promise.resolve(bytes.subarray(offset, offset + byteCount));
  },
};

export function forgetObjects(): void {
  blobs.clear();
  ledger.clear();
  reads.length = 0;
}

export interface Sent {
  readonly revision?: number;
  readonly issued?: boolean;
  readonly source?: string;
  readonly association?: string;
}

let clock = Date.parse('2026-11-22T10:00:00Z');

/** Keeps a file as the archive would and gives back what its event says. */
export function store(bytes: Uint8Array, sent: Sent = {}): StoredInstance {
  const { dataset, fileMeta } = parseFile(bytes);
  const sopInstanceUid = dataset.string('SOPInstanceUID') ?? '';
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const key = `default/${sopInstanceUid}/${sha256}`;
  blobs.set(key, bytes);
  const stored: StoredInstance = {
    studyInstanceUid: dataset.string('StudyInstanceUID') ?? '',
    seriesInstanceUid: dataset.string('SeriesInstanceUID') ?? '',
    sopInstanceUid,
    sopClassUid: dataset.string('SOPClassUID') ?? '',
    transferSyntaxUid: fileMeta.transferSyntaxUid,
    blob: { key, byteCount: bytes.length, sha256 },
    instanceRevision: sent.revision ?? 1,
    issuedByCallosum: sent.issued ?? false,
    source: sent.source ?? 'CT1',
    associationId: sent.association ?? 'a1',
    storedAt: new Date((clock += 1_000)),
  };
  ledger.set(sopInstanceUid, stored);
  return stored;
}

const patient: Attributes = {
  PatientID: 'P-1',
  PatientName: 'Müller^Anna=山田^花子',
  PatientBirthDate: '19700131',
  PatientSex: 'F',
};

const attributesOf = (study: string, series: string, number: number, more: Attributes): Attributes => ({
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  SOPInstanceUID: uid(`${study}/${series}/${number}`),
  StudyInstanceUID: uid(study),
  SeriesInstanceUID: uid(`${study}/${series}`),
  StudyDate: '20260102',
  StudyTime: '101530',
  AccessionNumber: 'ACC-1',
  StudyDescription: 'Thorax 100%',
  Modality: 'CT',
  SeriesNumber: 2,
  SeriesDescription: 'axial',
  InstanceNumber: number,
  ...patient,
  Rows: 4,
  Columns: 4,
  BitsAllocated: 16,
  BitsStored: 16,
  PixelRepresentation: 1,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  ImagePositionPatient: [0, 0, number * 2.5],
  ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
  PixelSpacing: [0.7, 0.7],
  SliceThickness: 2.5,
  RescaleSlope: 1,
  RescaleIntercept: -1024,
  PixelData: new Uint8Array(32).fill(number),
  ...more,
});

const written = { implementationClassUid: '1.2.3' };

export const slice = (study: string, series: string, number: number, more: Attributes = {}): Uint8Array =>
  writeFile(datasetOf(attributesOf(study, series, number, more), { PixelData: 'OW' }), written);

/** The same with frames in fragments of their own, RLE by name: what is in them is not asked. */
export function multiFrame(study: string, series: string, number: number, frames: Uint8Array[], more: Attributes = {}) {
  const image = { ...more, NumberOfFrames: frames.length, PixelData: undefined };
  const dataset = datasetOf(attributesOf(study, series, number, image));
  dataset['7FE00010'] = { vr: 'OB', fragments: [new Uint8Array(), ...frames] };
  return writeFile(dataset, { ...written, transferSyntaxUid: '1.2.840.10008.1.2.5' });
}
