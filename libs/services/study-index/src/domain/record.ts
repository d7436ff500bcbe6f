import {
  type DicomDataset,
  instanceGeometry,
  isKnownCharacterSet,
  lacksSequences,
  type ParsedHeader,
  toDicomJson,
} from '@callosum/dicom';
import { unreadableCharacter } from '@callosum/fhir';

import type { IdentityAttributes } from './identity.js';
import { type InstanceRecord, jsonInteger, type StoredInstance, type StoredPixelLayout } from './instance.js';
import { bulkDataPath, metadataText, piecesOf } from './metadata-text.js';

/** URI of one bulk value of an instance (PS3.18 8.2, {bulkdataUri}) without that base; `path` is of `toDicomJson`. */
export const bulkDataUri = (stored: StoredInstance, path: string): string =>
  `${bulkDataPath}studies/${stored.studyInstanceUid}/series/${stored.seriesInstanceUid}/instances/${stored.sopInstanceUid}/bulkdata/${path}`;

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
    // Here and not when the row is written: nobody waits for the study meanwhile.
    pieces: piecesOf(metadataText(metadata)),
    isPartial: lacksSequences(dataset),
  };
}

/**
 * Whose an instance says it is. What cannot be read stays visible as U+FFFD and is never taken for a name or an
 * identifier: characters of a character set that is not known, and control characters in identifiers (PS3.5 6.2, LO).
 */
export function identityOf(dataset: DicomDataset): IdentityAttributes {
  const [qualifiers] = dataset.sequence('IssuerOfPatientIDQualifiersSequence');
  const identifier = (of: DicomDataset | undefined, keyword: string): string =>
    readableText(of, keyword).replace(/\p{Cc}/gu, unreadableCharacter);
  return {
    patientId: identifier(dataset, 'PatientID'),
    issuerOfPatientId: identifier(dataset, 'IssuerOfPatientID'),
    issuerUniversalEntityId: identifier(qualifiers, 'UniversalEntityID'),
    issuerUniversalEntityIdType: identifier(qualifiers, 'UniversalEntityIDType'),
    patientName: readableText(dataset, 'PatientName'),
    patientBirthDate: dataset.string('PatientBirthDate') ?? '',
    patientSex: dataset.string('PatientSex') ?? '',
  };
}

function readableText(dataset: DicomDataset | undefined, keyword: string): string {
  const text = dataset?.string(keyword) ?? '';
  if (!dataset || isKnownCharacterSet(dataset.characterSet)) return text;
  // An escape sequence switches to a set nobody knows: what follows it looks like ASCII, and is none.
  return text.replace(/\x1b[^^=]*|\P{ASCII}/gu, unreadableCharacter);
}
