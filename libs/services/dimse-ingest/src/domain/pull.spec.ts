import { datasetOf, type DicomJson } from '@callosum/dicom';
import { AssociationRejectedError, PeerUnreachableError } from '@callosum/dimse';
import { describe, expect, it } from 'vitest';

import { findIdentifier, type PullSelector, studyOf } from './pull.js';
import { afterPullError, afterRetrieve } from './pull-outcome.js';

const values = (dataset: DicomJson, tag: string): unknown[] | undefined => dataset[tag]?.Value;

describe('what a pull asks the source', () => {
  it('is at study level, with the keys it has and those it wants to know', () => {
    const identifier = findIdentifier({
      patientId: 'P-1',
      issuerOfPatientId: 'H',
      modalities: ['CT'],
      studyDateFrom: '20260101',
    });
    expect(values(identifier, '00080052')).toEqual(['STUDY']);
    expect(values(identifier, '00100020')).toEqual(['P-1']);
    expect(values(identifier, '00100021')).toEqual(['H']);
    expect(values(identifier, '00080061')).toEqual(['CT']);
    expect(values(identifier, '00080020')).toEqual(['20260101-']);
    expect(identifier['0020000D']).toEqual({ vr: 'UI' });
    expect(identifier['00201208']).toEqual({ vr: 'IS' });
  });

  it('leaves several modalities to the answers', () => {
    expect(findIdentifier({ patientId: 'P-1', modalities: ['CT', 'MR'] })['00080061']).toEqual({ vr: 'CS' });
  });
});

describe('a match', () => {
  const match = (more: Parameters<typeof datasetOf>[0] = {}): DicomJson =>
    datasetOf({
      StudyInstanceUID: '1.2.3',
      PatientID: 'P-1',
      StudyDate: '20260102',
      ModalitiesInStudy: ['CT', 'SR'],
      ...more,
    });
  const wanted: PullSelector = {
    patientId: 'P-1',
    modalities: ['CT'],
    studyDateFrom: '20260101',
    studyDateTo: '20260131',
  };

  it('is a study with what the source says of it', () => {
    const sop = '1.2.840.10008.5.1.4.1.1.2';
    expect(studyOf(match({ NumberOfStudyRelatedInstances: 12, SOPClassesInStudy: [sop] }), wanted)).toEqual({
      studyInstanceUid: '1.2.3',
      instances: 12,
      sopClassUids: [sop],
    });
  });

  it.each([
    ['Patient ID', { PatientID: '' }, 'dimse-ingest.patient-id-not-stated'],
    ['Study Date', { StudyDate: '' }, 'dimse-ingest.study-date-not-stated'],
  ])('is left out where the source does not state the %s it was asked for', (_, more, leftOut) => {
    expect(studyOf(match(more), wanted)).toMatchObject({ studyInstanceUid: '1.2.3', leftOut });
  });

  it('is left out where a source that does not know the Accession Number gives all it has', () => {
    const byAccession = { accessionNumber: 'A1' };
    const leftOut = 'dimse-ingest.accession-number-not-stated';
    expect(studyOf(datasetOf({ StudyInstanceUID: '1.2.3' }), byAccession)).toMatchObject({ leftOut });
    expect(studyOf(match({ AccessionNumber: '' }), byAccession)).toMatchObject({ leftOut });
    expect(studyOf(match({ AccessionNumber: 'A2' }), byAccession)).toBeUndefined();
    expect(studyOf(match({ AccessionNumber: 'A1' }), byAccession)).not.toHaveProperty('leftOut');
    // The UID says which study it is; nothing else is asked for.
    expect(studyOf(datasetOf({ StudyInstanceUID: '1.2.3' }), { studyInstanceUid: '1.2.3' })).not.toHaveProperty(
      'leftOut',
    );
  });

  it('is left out where the source does not state the issuer that was asked for', () => {
    const ofIssuer = { ...wanted, issuerOfPatientId: 'H' };
    expect(studyOf(match({ IssuerOfPatientID: 'H' }), ofIssuer)).not.toHaveProperty('leftOut');
    expect(studyOf(match(), ofIssuer)).toMatchObject({ leftOut: 'dimse-ingest.issuer-not-stated' });
    expect(studyOf(match({ IssuerOfPatientID: '' }), ofIssuer)).toMatchObject({
      leftOut: 'dimse-ingest.issuer-not-stated',
    });
    expect(studyOf(match({ IssuerOfPatientID: 'OTHER' }), ofIssuer)).toBeUndefined();
  });

  it.each([
    ['of another patient', { PatientID: 'P-2' }],
    ['of other modalities', { ModalitiesInStudy: ['MR'] }],
    ['of another day', { StudyDate: '20251231' }],
    ['without a UID', { StudyInstanceUID: 'x' }],
  ])('%s is none: the source did not look at the key', (_, more) => {
    expect(studyOf(match(more), wanted)).toBeUndefined();
  });
});

describe('what becomes of a study', () => {
  const outcome = (status: number, failed = 0) => ({
    status,
    counts: { remaining: 0, completed: 3, failed, warning: 0 },
    failedSopInstanceUids: [],
  });

  it('it is complete only where nothing failed', () => {
    expect(afterRetrieve(outcome(0), 0)).toEqual({ end: 'completed' });
    expect(afterRetrieve(outcome(0xb000), 0)).toEqual({ end: 'completed' });
    expect(afterRetrieve(outcome(0xb000, 1), 0)).toEqual({ end: 'again', code: 'B000' });
    expect(afterRetrieve(outcome(0xc001, 3), 2)).toEqual({ end: 'failed', code: 'C001' });
    expect(afterRetrieve(outcome(0xa801), 0)).toEqual({ end: 'hopeless', code: 'A801' });
  });

  it('a source that has no room is left alone for a while, however often', () => {
    expect(afterRetrieve(outcome(0xa701), 99)).toEqual({ end: 'later', code: 'A701', failed: false });
    expect(afterRetrieve(outcome(0xa702), 99)).toEqual({ end: 'later', code: 'A702', failed: false });
  });

  it('one that had room and gave nothing is asked three times', () => {
    expect(afterRetrieve(outcome(0xa702, 3), 1)).toEqual({ end: 'again', code: 'A702' });
    expect(afterRetrieve(outcome(0xa702, 3), 2)).toEqual({ end: 'failed', code: 'A702' });
  });

  it('a source that is away is tried again, one that will not have us is not', () => {
    const isOutage = () => false;
    expect(afterPullError(new PeerUnreachableError('gone'), isOutage).again).toBe(true);
    expect(afterPullError(new AssociationRejectedError(2, 3, 2), isOutage).again).toBe(true);
    expect(afterPullError(new AssociationRejectedError(1, 1, 3), isOutage)).toEqual({
      code: 'dimse.association-rejected',
      again: false,
    });
  });
});
