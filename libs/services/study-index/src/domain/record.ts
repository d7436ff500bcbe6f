import { type DicomDataset, instanceGeometry, type ParsedHeader, toDicomJson } from '@callosum/dicom';

import type { IdentityAttributes } from './identity.js';
import { type InstanceRecord, jsonInteger, type StoredInstance, type StoredPixelLayout } from './instance.js';

/** Relative URI of one bulk value of an instance (PS3.18 8.2, {bulkdataUri}); `path` is of `toDicomJson`. */
export const bulkDataUri = (stored: StoredInstance, path: string): string =>
  `/dicom-web/studies/${stored.studyInstanceUid}/series/${stored.seriesInstanceUid}/instances/${stored.sopInstanceUid}/bulkdata/${path}`;

/** What the index keeps of an instance, from its header. */
export function recordOf(
  header: ParsedHeader,
  stored: StoredInstance,
  pixelData: StoredPixelLayout | null,
): InstanceRecord {
  const { dataset } = header;
  const { sopInstanceUid: _sop, sopClassUid: _class, instanceNumber: _number, ...image } = instanceGeometry(dataset);
  const metadata = toDicomJson(dataset, { bulkDataUri: (path) => bulkDataUri(stored, path) });
  return {
    ...stored,
    patient: identityOf(dataset),
    instanceNumber: jsonInteger(metadata, '00200013'),
    image,
    pixelData,
    metadata,
  };
}

function identityOf(dataset: DicomDataset): IdentityAttributes {
  const [qualifiers] = dataset.sequence('IssuerOfPatientIDQualifiersSequence');
  return {
    patientId: dataset.string('PatientID') ?? '',
    issuerOfPatientId: dataset.string('IssuerOfPatientID') ?? '',
    issuerUniversalEntityId: qualifiers?.string('UniversalEntityID') ?? '',
    issuerUniversalEntityIdType: qualifiers?.string('UniversalEntityIDType') ?? '',
    patientName: dataset.string('PatientName') ?? '',
    patientBirthDate: dataset.string('PatientBirthDate') ?? '',
    patientSex: dataset.string('PatientSex') ?? '',
  };
}
