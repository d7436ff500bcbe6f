import { type DicomJson, tagOf } from '@callosum/dicom';
import { isConformantUid } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { imagingOrder, order, patient } from '../../test-support/orders.js';
import type { WorklistSite } from './order.js';
import { worklistItem } from './worklist-item.js';

const site: WorklistSite = { site: 'default', stations: new Map([['CT', ['CT1', 'CT2']]]) };
const made = (more = {}, of: Partial<WorklistSite> = {}): DicomJson =>
  worklistItem(imagingOrder(more), { ...site, ...of });
const value = (item: DicomJson, keyword: string): unknown => item[tagOf(keyword)]?.Value?.[0];
const step = (item: DicomJson): DicomJson => value(item, 'ScheduledProcedureStepSequence') as DicomJson;

describe('an order in the worklist', () => {
  it('says whose it is, with the issuer that images bring back', () => {
    const item = made();
    expect(value(item, 'PatientName')).toEqual({ Alphabetic: 'Müller^Anna' });
    expect([value(item, 'PatientID'), value(item, 'IssuerOfPatientID')]).toEqual(['MRN-1', 'General Hospital']);
    expect([value(item, 'PatientBirthDate'), value(item, 'PatientSex')]).toEqual(['19700131', 'F']);
    const qualifiers = value(item, 'IssuerOfPatientIDQualifiersSequence') as DicomJson;
    expect([value(qualifiers, 'UniversalEntityID'), value(qualifiers, 'UniversalEntityIDType')]).toEqual([
      '1.2.3.4',
      'ISO',
    ]);
  });

  it('says what is to be done, when, where and by whom it was ordered', () => {
    const item = made();
    expect(value(item, 'AccessionNumber')).toBe('ACC-77');
    expect(value(item, 'RequestedProcedureID')).toBe('FILLER-1');
    expect(value(item, 'RequestedProcedureDescription')).toBe('CT of the chest');
    expect(value(item, 'RequestedProcedurePriority')).toBe('HIGH');
    expect(value(item, 'ReferringPhysicianName')).toEqual({ Alphabetic: 'Dr. House' });
    const codes = item[tagOf('RequestedProcedureCodeSequence')]?.Value as DicomJson[];
    expect(codes.map((code) => [value(code, 'CodeValue'), value(code, 'CodingSchemeDesignator')])).toEqual([
      ['24627-2', 'LN'],
    ]);
    const scheduled = step(item);
    expect(scheduled[tagOf('ScheduledStationAETitle')]?.Value).toEqual(['CT1', 'CT2']);
    expect([value(scheduled, 'Modality'), value(scheduled, 'ScheduledProcedureStepStartDate')]).toEqual([
      'CT',
      '20261126',
    ]);
    expect(value(scheduled, 'ScheduledProcedureStepStartTime')).toBe('093000');
  });

  it('keeps the UID of its study from answer to answer, or the one the order has', () => {
    const uid = value(made(), 'StudyInstanceUID');
    expect(isConformantUid(String(uid))).toBe(true);
    expect(value(made(), 'StudyInstanceUID')).toBe(uid);
    expect(value(made({ id: 'sr2' }), 'StudyInstanceUID')).not.toBe(uid);
    const identifier = [{ system: 'urn:dicom:uid', value: 'urn:oid:1.2.3.99' }];
    const named = made({ identifier });
    expect(value(named, 'StudyInstanceUID')).toBe('1.2.3.99');
    expect(String(value(named, 'RequestedProcedureID'))).toMatch(/^[0-9a-f]{16}$/);
  });

  it('leaves out what an attribute cannot hold, and never cuts an accession number', () => {
    const identifier = order().identifier?.map((one) => ({ ...one, value: 'A'.repeat(17) }));
    const item = made({ identifier, code: { text: `a\\b\n${'x'.repeat(90)}` } });
    expect(value(item, 'AccessionNumber')).toBeUndefined();
    expect(value(item, 'RequestedProcedureDescription')).toBe(`a b ${'x'.repeat(60)}`);
    const bare = worklistItem(
      {
        order: { resourceType: 'ServiceRequest', id: 'x', status: 'active', intent: 'order', subject: {} },
        patient: { ...patient, identifier: [] },
      },
      site,
    );
    expect(value(bare, 'PatientID')).toBeUndefined();
    expect(value(step(bare), 'Modality')).toBeUndefined();
  });

  it('never cleans a number of the order: another one would be found by it', () => {
    const identifier = order().identifier?.map((one) => ({ ...one, value: 'A\\1' }));
    const item = made({ identifier });
    expect(value(item, 'AccessionNumber')).toBeUndefined();
    expect(value(item, 'PlacerOrderNumberImagingServiceRequest')).toBeUndefined();
    expect(value(item, 'FillerOrderNumberImagingServiceRequest')).toBeUndefined();
    expect(String(value(item, 'RequestedProcedureID'))).toMatch(/^[0-9a-f]{16}$/);
  });

  it('never cuts or cleans a Patient ID: another identifier stands for one that cannot be said, or none', () => {
    const of = (...values: string[]) => {
      const identifier = values.map((one, at) => ({
        value: one,
        use: at === 0 ? ('official' as const) : ('usual' as const),
      }));
      return value(worklistItem({ order: order(), patient: { ...patient, identifier } }, site), 'PatientID');
    };
    expect(of('A'.repeat(65), 'SHORT-1')).toBe('SHORT-1');
    expect(of('A\\B', 'A'.repeat(65))).toBeUndefined();
    expect(of('A'.repeat(64), 'SHORT-1')).toBe('A'.repeat(64));
  });

  it.each([
    [{ occurrenceDateTime: '2026-11-26T23:30:00Z' }, 'Europe/Berlin', '20261127', '003000'],
    [{ occurrenceDateTime: '2026-11-26T23:30:00Z' }, undefined, '20261126', '233000'],
    [{ occurrenceDateTime: '2026-11-26' }, 'Europe/Berlin', '20261126', undefined],
    [
      { occurrenceDateTime: undefined, occurrencePeriod: { start: '2026-11-26T08:00:00+01:00' } },
      undefined,
      '20261126',
      '080000',
    ],
    [{ occurrenceDateTime: undefined, authoredOn: '2026-11-25T10:00:00+01:00' }, undefined, '20261125', '100000'],
    [{ occurrenceDateTime: '2026-11' }, undefined, undefined, undefined],
    [{ occurrenceDateTime: '2026-11-26T09:00:60Z' }, 'Europe/Berlin', '20261126', '100059'],
    [{ occurrenceDateTime: '2026-11-26T09:00:60Z' }, undefined, '20261126', '090059'],
  ])('starts on the clock of the modality: %j in %s', (more, timeZone, date, time) => {
    const scheduled = step(made(more, timeZone === undefined ? {} : { timeZone }));
    expect(value(scheduled, 'ScheduledProcedureStepStartDate')).toBe(date);
    expect(value(scheduled, 'ScheduledProcedureStepStartTime')).toBe(time);
  });

  it('takes the station an order names, and the modality of its section', () => {
    const performer = [{ identifier: { system: 'urn:callosum:ae-title', value: 'CT9' }, display: 'CT room 9' }];
    expect(step(made({ performer }))[tagOf('ScheduledStationAETitle')]?.Value).toEqual(['CT9']);
    const category = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'NMR' }] }];
    const mr = made({ orderDetail: [], category });
    expect(value(step(mr), 'Modality')).toBe('MR');
    expect(step(mr)[tagOf('ScheduledStationAETitle')]?.Value).toBeUndefined();
  });
});
