import { createHash } from 'node:crypto';

import { imaging } from '@callosum/contracts';

import type { PerformedSeries, ProcedureStep, StepStatus } from '../domain/procedure-step.js';

const statuses: Readonly<Record<StepStatus, imaging.ProcedureStepStatus>> = {
  'IN PROGRESS': imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_IN_PROGRESS,
  DISCONTINUED: imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_DISCONTINUED,
  COMPLETED: imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_COMPLETED,
};

/** What others are told of a step, each of its studies by a fact of its own: UIDs, counts and codes, nothing of the patient. */
export function factsOf(step: ProcedureStep, changedAt: Date): imaging.ProcedureStepChanged[] {
  const { studyInstanceUids, performedSeries, discontinuationReason, state, status } = step;
  const series = performedSeries.map(seriesOf);
  return studyInstanceUids.map((studyInstanceUid) => ({
    studyInstanceUid,
    procedureStepUid: state.sopInstanceUid,
    stepRevision: state.revision,
    status: statuses[status],
    series,
    studyCount: studyInstanceUids.length,
    discontinuationReason,
    source: state.source,
    changedAt: changedAt.toISOString(),
  }));
}

const seriesOf = ({ seriesInstanceUid, sopInstanceUids }: PerformedSeries): imaging.PerformedSeries => {
  const digest = createHash('sha256');
  for (const uid of sopInstanceUids) digest.update(`${uid}\n`);
  return { seriesInstanceUid, instanceCount: sopInstanceUids.length, instancesDigest: digest.digest('hex') };
};
