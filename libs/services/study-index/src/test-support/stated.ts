import { topics } from '@callosum/contracts';
import { expect } from 'vitest';

import type { ProcedureStep, StepStatus } from '../domain/procedure-step.js';
import { uid } from './objects.js';
import { allEvents, events, letPass, periods, tellStep } from './study-index.js';

// For specs of what procedure steps state.

/** A step of study `s` that states so many instances of its series. */
export const step = (
  name: string,
  status: StepStatus,
  series: Record<string, number> = {},
  more: Partial<ProcedureStep> = {},
): ProcedureStep => ({
  procedureStepUid: uid(`step/${name}`),
  stepRevision: status === 'in-progress' ? 1 : 2,
  status,
  series: Object.entries(series).map(([one, instanceCount]) => ({
    seriesInstanceUid: uid(one.includes('/') ? one : `s/${one}`),
    instanceCount,
    instancesDigest: `${name}/${one}`,
  })),
  studyCount: 1,
  discontinuationReason: undefined,
  source: 'CT1',
  changedAt: new Date('2026-11-26T10:00:00Z'),
  ...more,
});
export const tell = (one: ProcedureStep, study = 's') => tellStep(uid(study), one);
export const quiet = () => letPass(periods.quietPeriodMs);
/** Of the one completion told since the last look. */
export async function completed(): Promise<Record<string, unknown>> {
  const told = (await events()).filter(({ topic }) => topic === topics.studyCompleted.name);
  expect(told).toHaveLength(1);
  return told[0]?.value ?? {};
}
export const evidenceOf = ({ evidence }: Record<string, unknown>) =>
  String(evidence).replace('COMPLETENESS_EVIDENCE_', '');
/** Series told since the last look: which, in which revision, with how many instances, on what evidence. */
export const seriesTold = async () =>
  (await allEvents())
    .filter(({ topic }) => topic === topics.seriesCompleted.name)
    .map(({ value }) => [value['seriesInstanceUid'], value['revision'], value['instanceCount'], evidenceOf(value)]);
