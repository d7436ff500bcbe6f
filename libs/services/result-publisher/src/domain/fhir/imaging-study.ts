import {
  codeOf,
  type Coding,
  dateTimeFromDicom,
  type Endpoint,
  type ImagingStudy,
  type ImagingStudySeries,
  type Reference,
  sopClassCoding,
  stringOf,
  systems,
  uidIdentifier,
} from '@callosum/fhir';

import type { SeriesContents, StudyContents } from '../study-contents.js';
import { identifierSystems } from './coding.js';
import { narrative } from './narrative.js';

const other = 'OT';
const modalityOf = ({ modality }: SeriesContents): string => codeOf(modality) || other;
const modalityCoding = (code: string): Coding => ({ system: systems.dicomOntology, code });

/** The ImagingStudy of a study as it is indexed now (R4 ImagingStudy): pointers to its series and instances, never pixels. */
export function imagingStudy(
  study: StudyContents,
  patientReference: string,
  endpoint: Reference<Endpoint>,
): ImagingStudy {
  const started = dateTimeFromDicom(study.studyDate, study.studyTime, study.timezoneOffsetFromUtc);
  const modalities = [...new Set(study.series.map(modalityOf))].sort();
  const description = stringOf(study.studyDescription);
  const instanceCount = study.series.reduce((sum, { instances }) => sum + instances.length, 0);
  return {
    resourceType: 'ImagingStudy',
    text: narrative(
      description || 'Imaging study',
      `${modalities.join(', ')}: ${study.series.length} series, ${instanceCount} instances${started ? `, ${started}` : ''}`,
    ),
    identifier: [uidIdentifier(study.studyInstanceUid)],
    // Nothing is left to be shown (docs/adr/0073): the study was made, so it is no error, and there is none to see.
    status: instanceCount > 0 ? 'available' : 'cancelled',
    ...(modalities.length > 0 ? { modality: modalities.map(modalityCoding) } : {}),
    subject: { reference: patientReference },
    ...(started ? { started } : {}),
    endpoint: [endpoint],
    numberOfSeries: study.series.length,
    numberOfInstances: instanceCount,
    ...(description ? { description } : {}),
    ...(study.series.length > 0
      ? { series: study.series.map((series) => seriesOf(series, study.timezoneOffsetFromUtc)) }
      : {}),
  };
}

const lateralities: Readonly<Record<string, Coding>> = {
  R: { system: systems.snomedCt, code: '24028007', display: 'Right' },
  L: { system: systems.snomedCt, code: '7771000', display: 'Left' },
};

/** unsignedInt in FHIR, any IS in DICOM, and often none at all. */
const numberOf = (value: number | undefined): { number?: number } =>
  value === undefined || value < 0 ? {} : { number: value };

function seriesOf(series: SeriesContents, timezone: string): ImagingStudySeries {
  const started = dateTimeFromDicom(series.seriesDate, series.seriesTime, timezone);
  const description = stringOf(series.seriesDescription);
  const bodyPart = stringOf(series.bodyPartExamined);
  const laterality = lateralities[series.laterality];
  return {
    uid: series.seriesInstanceUid,
    ...numberOf(series.seriesNumber),
    modality: modalityCoding(modalityOf(series)),
    ...(description ? { description } : {}),
    numberOfInstances: series.instances.length,
    ...(bodyPart ? { bodySite: { display: bodyPart } } : {}),
    ...(laterality ? { laterality } : {}),
    ...(started ? { started } : {}),
    instance: series.instances.map(({ sopInstanceUid, sopClassUid, instanceNumber }) => ({
      uid: sopInstanceUid,
      sopClass: sopClassCoding(sopClassUid),
      ...numberOf(instanceNumber),
    })),
  };
}

/** Where the site's DICOMweb answers (R4 Endpoint, dicom-wado-rs). One a site. */
export function wadoEndpoint(publicUrl: string, site: string): Endpoint {
  const address = `${publicUrl.replace(/\/+$/, '')}/dicom-web`;
  return {
    resourceType: 'Endpoint',
    text: narrative(`DICOMweb (WADO-RS) at ${address}`),
    identifier: [{ system: identifierSystems.endpoint, value: `${site}:dicom-wado-rs` }],
    status: 'active',
    connectionType: { system: systems.endpointConnectionType, code: 'dicom-wado-rs', display: 'DICOM WADO-RS' },
    name: 'Callosum DICOMweb',
    payloadType: [{ text: 'DICOM' }],
    payloadMimeType: ['application/dicom'],
    address,
  };
}
