import type { Attributes } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { factsOf } from '../application/procedure-step-facts.js';
import { begun, ended, json, performed, scheduled } from '../test-support/procedure-steps.js';
import { type StepFailure, stepFailureOf } from '../transport/dimse/step-status.js';
import { ProcedureStep } from './procedure-step.js';

const create = (more: Attributes = {}): ProcedureStep => ProcedureStep.create('1.2.9', 'CT1', json(begun(more)));
function failure(work: () => unknown): StepFailure {
  try {
    work();
  } catch (error) {
    return stepFailureOf(error);
  }
  throw new Error('nothing was refused');
}
/** Status, and the attributes that the response names. */
function refusal(work: () => unknown): { status: string; tags: readonly string[] } {
  const { status, tags } = failure(work);
  return { status: status.toString(16).padStart(4, '0'), tags };
}

describe('a procedure step is created', () => {
  it('in progress, with what the table asks for', () => {
    const step = create();
    expect(step.status).toBe('IN PROGRESS');
    expect(step.state.revision).toBe(1);
    expect(step.studyInstanceUids).toEqual(['1.2.3']);
    expect(step.performedSeries).toEqual([]);
  });

  it.each(['COMPLETED', 'DISCONTINUED', 'in progress'])('not %s', (status) => {
    expect(refusal(() => create({ PerformedProcedureStepStatus: status }))).toEqual({
      status: '0106',
      tags: ['00400252'],
    });
  });

  it.each([
    ['PerformedProcedureStepID', '00400253'],
    ['PerformedStationName', '00400242'],
    ['Modality', '00080060'],
    ['PatientID', '00100020'],
    ['PerformedSeriesSequence', '00400340'],
  ])('not without %s', (keyword, tag) => {
    expect(refusal(() => create({ [keyword]: undefined }))).toEqual({ status: '0120', tags: [tag] });
  });

  it.each([
    ['PerformedProcedureStepStartDate', '00400244'],
    ['ScheduledStepAttributesSequence', '00400270'],
  ])('not with an empty %s', (keyword, tag) => {
    expect(refusal(() => create({ [keyword]: null }))).toEqual({ status: '0121', tags: [tag] });
  });

  it('not without what an item must hold, which is named by its sequence', () => {
    const { AccessionNumber: _accession, ...without } = scheduled('1.2.3');
    expect(refusal(() => create({ ScheduledStepAttributesSequence: [without] }))).toEqual({
      status: '0120',
      tags: ['00400270'],
    });
  });

  it('under a UID, for studies that are named by one', () => {
    expect(refusal(() => ProcedureStep.create('', 'CT1', json(begun()))).status).toBe('0117');
    // What cannot be written as a UID arrives all the same.
    const given = json(begun());
    const [item] = (given['00400270']?.Value ?? []) as Record<string, { vr: string; Value?: string[] }>[];
    if (item) item['0020000D'] = { vr: 'UI', Value: ['1.2.x'] };
    expect(refusal(() => ProcedureStep.create('1.2.9', 'CT1', given))).toEqual({ status: '0106', tags: ['00400270'] });
  });

  it('once for a study that it names for several requested procedures', () => {
    const items = ['1.2.3', '1.2.4', '1.2.3'].map(scheduled);
    expect(create({ ScheduledStepAttributesSequence: items }).studyInstanceUids).toEqual(['1.2.3', '1.2.4']);
  });
});

describe('a procedure step is set', () => {
  it('for many studies or of many series, and not both: each study is told of all series', () => {
    const studies = (count: number) =>
      create({ ScheduledStepAttributesSequence: Array.from({ length: count }, (_, n) => scheduled(`1.2.3.${n + 1}`)) });
    const series = (count: number) =>
      json({ PerformedSeriesSequence: Array.from({ length: count }, (_, n) => performed(`1.2.4.${n + 1}`, [])) });
    const one = studies(1).set(series(2_000));
    expect(one.performedSeries).toHaveLength(2_000);
    expect(studies(100).set(series(100)).performedSeries).toHaveLength(100);
    expect(refusal(() => studies(100).set(series(101)))).toEqual({ status: '0106', tags: ['00400340'] });
    expect(refusal(() => studies(6).set(series(2_000)))).toEqual({ status: '0106', tags: ['00400340'] });
    expect(refusal(() => studies(1).set(series(2_001))).status).toBe('0106');
  });

  it('to its end, with all instances it made: images and others, each once', () => {
    const again = performed('1.2.3.1', ['1.2.3.1.1']);
    const series = [performed('1.2.3.1', ['1.2.3.1.2'], ['1.2.3.1.3']), performed('1.2.3.2', []), again];
    const step = create().set(json(ended({ PerformedSeriesSequence: series })));
    expect([step.status, step.state.revision]).toEqual(['COMPLETED', 2]);
    expect(step.performedSeries).toEqual([
      { seriesInstanceUid: '1.2.3.1', sopInstanceUids: ['1.2.3.1.1', '1.2.3.1.2', '1.2.3.1.3'] },
      { seriesInstanceUid: '1.2.3.2', sopInstanceUids: [] },
    ]);
  });

  it('in parts, each taking the place of what was before', () => {
    const first = create().set(json({ PerformedSeriesSequence: [performed('1.2.3.1', ['1.2.3.1.1'])] }));
    expect([first.status, first.state.revision]).toEqual(['IN PROGRESS', 2]);
    const second = first.set(json({ PerformedSeriesSequence: [performed('1.2.3.2', ['1.2.3.2.1'])] }));
    expect(second.performedSeries.map(({ seriesInstanceUid }) => seriesInstanceUid)).toEqual(['1.2.3.2']);
    expect(second.state.attributes['00100020']?.Value).toEqual(['P-1']);
  });

  it('to no end without its time or its series', () => {
    const end = (more: Attributes) => refusal(() => create().set(json(ended(more))));
    expect(end({ PerformedProcedureStepEndTime: null })).toEqual({ status: '0121', tags: ['00400251'] });
    expect(end({ PerformedProcedureStepEndDate: undefined })).toEqual({ status: '0121', tags: ['00400250'] });
    expect(end({ PerformedSeriesSequence: null })).toEqual({ status: '0121', tags: ['00400340'] });
    const { ProtocolName: _name, ...series } = performed('1.2.3.1', []);
    expect(end({ PerformedSeriesSequence: [series] })).toEqual({ status: '0120', tags: ['00400340'] });
  });

  it('to DISCONTINUED also where it made nothing, and keeps a public code for why', () => {
    const reason = { CodeValue: '110513', CodingSchemeDesignator: 'DCM', CodeMeaning: 'Discontinued' };
    const discontinued = { PerformedProcedureStepStatus: 'DISCONTINUED', PerformedSeriesSequence: null };
    const step = create().set(
      json(ended({ ...discontinued, PerformedProcedureStepDiscontinuationReasonCodeSequence: [reason] })),
    );
    expect([step.status, step.discontinuationReason]).toEqual(['DISCONTINUED', { value: '110513', scheme: 'DCM' }]);
    const own = { ...reason, CodeValue: 'ANNA MUELLER', CodingSchemeDesignator: '99SITE' };
    const told = create().set(
      json(ended({ ...discontinued, PerformedProcedureStepDiscontinuationReasonCodeSequence: [own] })),
    );
    expect(told.discontinuationReason).toBeUndefined();
  });

  it('never again once it ended, except by the words that ended it', () => {
    const end = json(ended());
    const step = create().set(end);
    expect(step.set(end)).toBe(step);
    expect(refusal(() => step.set(json({ PerformedProcedureStepDescription: 'more' }))).status).toBe('0110');
    expect(failure(() => step.set(json(ended({ PerformedProcedureStepStatus: 'DISCONTINUED' }))))).toEqual({
      status: 0x0110,
      errorId: 0xa710,
      comment: 'Performed Procedure Step Object may no longer be updated',
      tags: [],
    });
  });

  it('but not in what only its creation may give; what stays as it is may be sent again', () => {
    const step = create();
    expect(refusal(() => step.set(json({ PatientID: 'P-2', Modality: 'CT' })))).toEqual({
      status: '0105',
      tags: ['00100020'],
    });
    expect(step.set(json({ PatientID: 'P-1', Modality: 'CT' }))).toBe(step);
    expect(refusal(() => step.set(json({ PerformedProcedureStepStatus: 'DONE' }))).status).toBe('0106');
  });

  it('with series and instances that are named by UIDs', () => {
    const given = json({ PerformedSeriesSequence: [performed('1.2.3.1', ['1.2.3.1.1'])] });
    const text = JSON.stringify(given).replace('1.2.3.1.1', '1.x');
    expect(refusal(() => create().set(JSON.parse(text) as never))).toEqual({ status: '0106', tags: ['00400340'] });
  });
});

describe('what is told of a procedure step', () => {
  const at = new Date('2026-11-26T10:30:00Z');

  it('goes to each of its studies, with counts and digests', () => {
    const items = ['1.2.3', '1.2.4'].map(scheduled);
    const facts = factsOf(create({ ScheduledStepAttributesSequence: items }).set(json(ended())), at);
    expect(facts.map(({ studyInstanceUid, studyCount }) => [studyInstanceUid, studyCount])).toEqual([
      ['1.2.3', 2],
      ['1.2.4', 2],
    ]);
    expect(facts[0]).toMatchObject({
      procedureStepUid: '1.2.9',
      stepRevision: 2,
      status: 'PROCEDURE_STEP_STATUS_COMPLETED',
      series: [{ seriesInstanceUid: '1.2.3.1', instanceCount: 3 }],
      source: 'CT1',
      changedAt: '2026-11-26T10:30:00.000Z',
    });
  });

  it('has the same digest for the same instances, in whatever order, and another for others', () => {
    const digest = (...images: string[]) =>
      factsOf(create().set(json(ended({ PerformedSeriesSequence: [performed('1.2.3.1', images)] }))), at)[0]?.series[0]
        ?.instancesDigest;
    expect(digest('1.1', '1.2')).toBe(digest('1.2', '1.1', '1.2'));
    expect(digest('1.1', '1.2')).not.toBe(digest('1.1', '1.3'));
  });

  it('holds nothing of the patient or the order', () => {
    const text = JSON.stringify(factsOf(create().set(json(ended())), at));
    for (const planted of ['Anna', 'P-1', '19700131', 'ACC-77', 'PPS1']) expect(text).not.toContain(planted);
  });
});

it('a failure that is none of the request says whether to try again', () => {
  expect(stepFailureOf(new Error('x'))).toEqual({ status: 0x0110, tags: [] });
});
