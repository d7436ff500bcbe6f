import {
  dateTimeFromDicom,
  type DiagnosticReport,
  type ImagingStudy,
  type Observation,
  type Reference,
  systems,
} from '@callosum/fhir';

import type { JobResult, Model } from '../result.js';
import type { StudyContents } from '../study-contents.js';
import { identifierSystems, namedIdentifier } from './coding.js';
import { narrative } from './narrative.js';
import { findingText, measurementText } from './observations.js';

/** What every report of one model on one study says of itself. */
export interface ReportSubject {
  readonly study: StudyContents;
  readonly patientReference: string;
  readonly imagingStudy: Reference<ImagingStudy>;
  /** Base URL under which people reach the site, its viewer too. */
  readonly publicUrl: string;
}

/** SOP Instance UIDs of what the result is in the archive. */
export interface ResultObjects {
  readonly segSopInstanceUid?: string | undefined;
  readonly srSopInstanceUid: string;
}

export interface ReportContext extends ReportSubject {
  readonly result: JobResult;
  readonly observations: readonly Reference<Observation>[];
  readonly objects: ResultObjects;
}

/**
 * The DiagnosticReport of one model on one study, apart from the radiologist's. Preliminary: no person has seen it.
 * Named by study and model, so that a later revision updates it and a repeated write finds it.
 */
export function diagnosticReport(context: ReportContext): DiagnosticReport {
  const { result, observations, objects } = context;
  const { segSopInstanceUid: seg, srSopInstanceUid: sr } = objects;
  const where = [...(seg ? [`Segmentation (DICOM SEG): ${seg}`] : []), `Structured report (DICOM SR): ${sr}`];
  return {
    ...report(context, result.model, result.completedAt, conclusionLines(result), where),
    status: 'preliminary',
    ...(observations.length > 0 ? { result: [...observations] } : {}),
  };
}

export interface CancelledReportContext extends ReportSubject {
  readonly model: Model;
  readonly endedAt: Date;
  /** For people; holds no patient data. */
  readonly reason: string;
}

/** The same report where the model gave no result; a later result makes it preliminary. */
export function cancelledReport(context: CancelledReportContext): DiagnosticReport {
  const { model, endedAt, reason } = context;
  const lines = [`No result: ${reason}`, `Asked of ${nameOf(model)}.`];
  return { ...report(context, model, endedAt, lines), status: 'cancelled' };
}

function report(
  { study, patientReference, imagingStudy, publicUrl }: ReportSubject,
  model: Model,
  issued: Date,
  lines: readonly string[],
  /** For the narrative alone, beside what the report says. */
  where: readonly string[] = [],
): Omit<DiagnosticReport, 'status'> {
  const effective = dateTimeFromDicom(study.studyDate, study.studyTime, study.timezoneOffsetFromUtc);
  const title = `${model.name || model.modelId}: automatic imaging report`;
  const viewer = `${publicUrl.replace(/\/+$/, '')}/viewer/viewer?StudyInstanceUIDs=${study.studyInstanceUid}`;
  return {
    resourceType: 'DiagnosticReport',
    text: narrative(title, ...lines, { text: 'The study in the viewer', href: viewer }, ...where),
    identifier: [namedIdentifier(identifierSystems.report, study.studyInstanceUid, model.vendor, model.modelId)],
    category: [{ coding: [{ system: systems.diagnosticServiceSection, code: 'RAD', display: 'Radiology' }] }],
    code: { coding: [{ system: systems.loinc, code: '18748-4', display: 'Diagnostic imaging study' }], text: title },
    subject: { reference: patientReference },
    ...(effective ? { effectiveDateTime: effective } : {}),
    issued: issued.toISOString(),
    imagingStudy: [imagingStudy],
    conclusion: lines.join('\n'),
  };
}

/** A model with version and vendor. */
const nameOf = (model: Model): string =>
  `${model.name || model.modelId} ${model.version}${model.vendor ? ` (${model.vendor})` : ''}`;

/** What the report says, a line each: what was measured and found, what to beware of, and who says so. */
function conclusionLines(result: JobResult): string[] {
  return [
    ...result.measurements.map((measurement) => measurementText(measurement, result)),
    ...result.findings.map(findingText),
    ...result.warnings.map(({ message }) => `Warning: ${message}`),
    `Computed by ${nameOf(result.model)}; not reviewed by a person.`,
  ];
}
