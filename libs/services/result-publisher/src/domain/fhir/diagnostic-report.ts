import {
  dateTimeFromDicom,
  type DiagnosticReport,
  type ImagingStudy,
  type Observation,
  type Reference,
  systems,
} from '@callosum/fhir';

import type { JobResult } from '../result.js';
import type { StudyContents } from '../study-contents.js';
import { identifierSystems, namedIdentifier } from './coding.js';
import { narrative } from './narrative.js';
import { findingText, measurementText } from './observations.js';

export interface ReportContext {
  readonly result: JobResult;
  readonly study: StudyContents;
  readonly patientReference: string;
  readonly imagingStudy: Reference<ImagingStudy>;
  readonly observations: readonly Reference<Observation>[];
}

/**
 * The DiagnosticReport of one model on one study, apart from the radiologist's. Preliminary: no person has seen it.
 * Named by study and model, so that a later revision updates it and a repeated write finds it.
 */
export function diagnosticReport(context: ReportContext): DiagnosticReport {
  const { result, study, patientReference, imagingStudy, observations } = context;
  const { model } = result;
  const effective = dateTimeFromDicom(study.studyDate, study.studyTime, study.timezoneOffsetFromUtc);
  const lines = conclusionLines(result);
  const title = `${model.name || model.modelId}: automatic imaging report`;
  return {
    resourceType: 'DiagnosticReport',
    text: narrative(title, ...lines),
    identifier: [namedIdentifier(identifierSystems.report, study.studyInstanceUid, model.vendor, model.modelId)],
    status: 'preliminary',
    category: [{ coding: [{ system: systems.diagnosticServiceSection, code: 'RAD', display: 'Radiology' }] }],
    code: { coding: [{ system: systems.loinc, code: '18748-4', display: 'Diagnostic imaging study' }], text: title },
    subject: { reference: patientReference },
    ...(effective ? { effectiveDateTime: effective } : {}),
    issued: result.completedAt.toISOString(),
    ...(observations.length > 0 ? { result: [...observations] } : {}),
    imagingStudy: [imagingStudy],
    conclusion: lines.join('\n'),
  };
}

/** What the report says, a line each: what was measured and found, what to beware of, and who says so. */
function conclusionLines(result: JobResult): string[] {
  const { model } = result;
  return [
    ...result.measurements.map((measurement) => measurementText(measurement, result)),
    ...result.findings.map(findingText),
    ...result.warnings.map(({ message }) => `Warning: ${message}`),
    `Computed by ${model.name || model.modelId} ${model.version}${model.vendor ? ` (${model.vendor})` : ''}; not reviewed by a person.`,
  ];
}
