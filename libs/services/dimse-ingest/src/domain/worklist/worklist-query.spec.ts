import { type Attributes, datasetOf, type DicomJson, tagOf } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { imagingOrder } from '../../test-support/orders.js';
import { worklistItem } from './worklist-item.js';
import { answerOf, readWorklistQuery } from './worklist-query.js';

const site = { site: 'default', stations: new Map([['CT', ['CT1', 'CT2']]]) };
const read = (attributes: Attributes) => readWorklistQuery(datasetOf(attributes));
const answer = (attributes: Attributes, more = {}): DicomJson | undefined =>
  answerOf(worklistItem(imagingOrder(more), site), read(attributes));
const matches = (attributes: Attributes, more = {}): boolean => answer(attributes, more) !== undefined;
const step = (attributes: Attributes): Attributes => ({ ScheduledProcedureStepSequence: [attributes] });

describe('a query of the worklist', () => {
  it.each<[boolean, Attributes]>([
    [true, step({ ScheduledStationAETitle: 'CT2', Modality: 'CT' })],
    [false, step({ ScheduledStationAETitle: 'CT9' })],
    [false, step({ ScheduledStationAETitle: 'CT1', Modality: 'MR' })],
    [true, step({ ScheduledProcedureStepStartDate: '20261126' })],
    [true, step({ ScheduledProcedureStepStartDate: '20261120-20261126' })],
    [false, step({ ScheduledProcedureStepStartDate: '20261127-' })],
    // One range of moments: from the evening before until the morning (table K.6-1).
    [
      true,
      step({ ScheduledProcedureStepStartDate: '20261125-20261126', ScheduledProcedureStepStartTime: '200000-100000' }),
    ],
    [
      false,
      step({ ScheduledProcedureStepStartDate: '20261125-20261126', ScheduledProcedureStepStartTime: '200000-090000' }),
    ],
    [true, { PatientName: 'müller*' }],
    [false, { PatientName: 'muster*' }],
    [true, { PatientID: 'MRN-1', AccessionNumber: 'ACC-77' }],
    [false, { PatientID: 'INS-9' }],
    [true, { AccessionNumber: 'ACC-??' }],
  ])('%s: %j', (expected, attributes) => expect(matches(attributes)).toBe(expected));

  it('answers what was asked for, empty where nothing is known, and no more', () => {
    const found = answer({
      PatientID: '',
      PatientWeight: null,
      ...step({ Modality: 'CT', ScheduledProcedureStepID: '' }),
    });
    expect(found).toEqual({
      [tagOf('PatientID')]: { vr: 'LO', Value: ['MRN-1'] },
      [tagOf('PatientWeight')]: { vr: 'DS' },
      [tagOf('ScheduledProcedureStepSequence')]: {
        vr: 'SQ',
        Value: [
          {
            [tagOf('Modality')]: { vr: 'CS', Value: ['CT'] },
            [tagOf('ScheduledProcedureStepID')]: { vr: 'SH', Value: ['FILLER-1'] },
          },
        ],
      },
    });
    const whole = answer({ ScheduledProcedureStepSequence: null })?.[tagOf('ScheduledProcedureStepSequence')];
    expect(Object.keys((whole?.Value?.[0] ?? {}) as DicomJson).length).toBeGreaterThan(8);
  });

  it('says that it did not match by what orders do not have', () => {
    expect(read({ PatientWeight: '70' })).toMatchObject({ keys: [], hasUnsupportedKeys: true });
    expect(matches({ PatientWeight: '70' })).toBe(true);
    expect(read({ PatientID: 'x', PatientWeight: '' }).hasUnsupportedKeys).toBe(false);
  });

  it('narrows what the record is asked for, by a day more on each side', () => {
    expect(
      read({ PatientID: 'P1', ...step({ ScheduledProcedureStepStartDate: '20261101-20261130' }) }).narrowing,
    ).toEqual({
      patientIdentifier: 'P1',
      from: '2026-10-31',
      to: '2026-12-01',
    });
    expect(
      read({ PatientID: 'P*', ...step({ ScheduledProcedureStepStartDate: '20260231-20260431' }) }).narrowing,
    ).toEqual({ from: '2026-02-27', to: '2026-05-01' });
    expect(read(step({ ScheduledProcedureStepStartDate: '00000101-99991231' })).narrowing).toEqual({});
    expect(read({ AccessionNumber: 'A' }).narrowing).toEqual({ accessionNumber: 'A' });
  });

  it.each(['today', '20261301-'])('refuses dates that are none, as %s', (date) => {
    expect(() => read(step({ ScheduledProcedureStepStartDate: date }))).toThrow(
      expect.objectContaining({ code: 'dicom.malformed-match' }) as Error,
    );
  });
});
