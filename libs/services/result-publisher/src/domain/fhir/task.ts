import type { Device, DiagnosticReport, ImagingStudy, Reference, Task } from '@callosum/fhir';

import type { Model } from '../result.js';
import { identifierSystems } from './coding.js';
import { narrative } from './narrative.js';

export type TaskOutcome =
  | { readonly status: 'completed'; readonly report: Reference<DiagnosticReport> }
  /** The reason is for people and holds no patient data. */
  | { readonly status: 'failed' | 'cancelled'; readonly reason: string };

export interface TaskContext {
  readonly jobId: string;
  readonly model: Model;
  readonly patientReference: string;
  readonly imagingStudy: Reference<ImagingStudy>;
  readonly device: Reference<Device>;
  readonly scheduledAt?: Date | undefined;
  readonly endedAt: Date;
  readonly outcome: TaskOutcome;
}

/** The Task of one job (R4 Task): what was asked of the model, and how it ended. */
export function jobTask(context: TaskContext): Task {
  const { jobId, model, outcome, scheduledAt, endedAt } = context;
  const description = `${model.name || model.modelId} ${model.version} on an imaging study`;
  return {
    resourceType: 'Task',
    text: narrative(`${description}: ${outcome.status}`, outcome.status === 'completed' ? '' : outcome.reason),
    identifier: [{ system: identifierSystems.job, value: jobId }],
    status: outcome.status,
    ...(outcome.status === 'completed' ? {} : { statusReason: { text: outcome.reason } }),
    intent: 'order',
    code: { text: 'Image analysis' },
    description,
    focus: context.imagingStudy,
    for: { reference: context.patientReference },
    ...(scheduledAt ? { authoredOn: scheduledAt.toISOString() } : {}),
    lastModified: endedAt.toISOString(),
    executionPeriod: { ...(scheduledAt ? { start: scheduledAt.toISOString() } : {}), end: endedAt.toISOString() },
    owner: context.device,
    ...(outcome.status === 'completed'
      ? { output: [{ type: { text: 'Report' }, valueReference: outcome.report }] }
      : {}),
  };
}
