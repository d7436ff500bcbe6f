import {
  type Attributes,
  type DicomDataset,
  datasetOf,
  type DicomJson,
  parseDataset,
  writeDataset,
} from '@callosum/dicom';

// Attribute lists as a modality sends them: made here, written and read again.

const explicitLittleEndian = '1.2.840.10008.1.2.1';

/** A dataset as the DIMSE layer gives it. */
export const received = (attributes: Attributes): DicomDataset =>
  parseDataset(writeDataset(datasetOf(attributes)), explicitLittleEndian).dataset;

export const json = (attributes: Attributes): DicomJson => datasetOf(attributes);

export const scheduled = (study: string): Attributes => ({
  StudyInstanceUID: study,
  ReferencedStudySequence: null,
  AccessionNumber: 'ACC-77',
  RequestedProcedureID: 'RP1',
  RequestedProcedureDescription: null,
  ScheduledProcedureStepID: 'SPS1',
  ScheduledProcedureStepDescription: null,
  ScheduledProtocolCodeSequence: null,
});

/** What table F.7.2-1 asks of an N-CREATE. */
export const begun = (more: Attributes = {}): Attributes => ({
  ScheduledStepAttributesSequence: [scheduled('1.2.3')],
  PatientName: 'Müller^Anna',
  PatientID: 'P-1',
  PatientBirthDate: '19700131',
  PatientSex: 'F',
  ReferencedPatientSequence: null,
  PerformedProcedureStepID: 'PPS1',
  PerformedStationAETitle: 'CT1',
  PerformedStationName: null,
  PerformedLocation: null,
  PerformedProcedureStepStartDate: '20261126',
  PerformedProcedureStepStartTime: '101500',
  PerformedProcedureStepStatus: 'IN PROGRESS',
  PerformedProcedureStepDescription: null,
  PerformedProcedureTypeDescription: null,
  ProcedureCodeSequence: null,
  PerformedProcedureStepEndDate: null,
  PerformedProcedureStepEndTime: null,
  Modality: 'CT',
  StudyID: 'S1',
  PerformedProtocolCodeSequence: null,
  PerformedSeriesSequence: null,
  ...more,
});

const reference = (sop: string): Attributes => ({
  ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  ReferencedSOPInstanceUID: sop,
});

export const performed = (series: string, images: readonly string[], others: readonly string[] = []): Attributes => ({
  PerformingPhysicianName: null,
  ProtocolName: 'Thorax',
  OperatorsName: null,
  SeriesInstanceUID: series,
  SeriesDescription: null,
  RetrieveAETitle: null,
  ReferencedImageSequence: images.map(reference),
  ReferencedNonImageCompositeSOPInstanceSequence: others.map(reference),
});

/** The N-SET that ends a step. */
export const ended = (more: Attributes = {}): Attributes => ({
  PerformedProcedureStepStatus: 'COMPLETED',
  PerformedProcedureStepEndDate: '20261126',
  PerformedProcedureStepEndTime: '103000',
  PerformedSeriesSequence: [performed('1.2.3.1', ['1.2.3.1.2', '1.2.3.1.1'], ['1.2.3.1.3'])],
  ...more,
});
