import {
  type CodeableConcept,
  dateTimeFromDicom,
  type Device,
  type ImagingStudy,
  type Observation,
  type Reference,
  systems,
} from '@callosum/fhir';

import { concepts } from '../dicom/codes.js';
import { type Code, type Finding, type JobResult, lateralityCode, type Measurement } from '../result.js';
import type { StudyContents } from '../study-contents.js';
import { bodySite, codeSystem, concept, identifierSystems, namedIdentifier, sidedText } from './coding.js';
import { narrative } from './narrative.js';

export interface ObservationContext {
  readonly result: JobResult;
  readonly study: StudyContents;
  readonly patientReference: string;
  readonly device: Reference<Device>;
  readonly imagingStudy: Reference<ImagingStudy>;
}

/** Observations of a result: one a measurement, one a finding, preliminary until a person has reviewed the report. */
export function observations(context: ObservationContext): Observation[] {
  const { measurements, findings } = context.result;
  return [
    ...measurements.map((measurement) => measurementObservation(measurement, context)),
    ...findings.map((finding, index) => findingObservation(finding, index, context)),
  ];
}

/**
 * Named by study, model and measurement, not by job: a later revision's measurement updates the earlier one.
 */
const observationIdentifier = ({ result, study }: ObservationContext, id: string): ReturnType<typeof namedIdentifier> =>
  namedIdentifier(identifierSystems.observation, study.studyInstanceUid, result.model.vendor, result.model.modelId, id);

function common(
  context: ObservationContext,
  id: string,
): Pick<
  Observation,
  'resourceType' | 'identifier' | 'status' | 'category' | 'subject' | 'issued' | 'device' | 'derivedFrom'
> & { effectiveDateTime?: string } {
  const { result, study, patientReference, device, imagingStudy } = context;
  const effective = dateTimeFromDicom(study.studyDate, study.studyTime, study.timezoneOffsetFromUtc);
  return {
    resourceType: 'Observation',
    identifier: [observationIdentifier(context, id)],
    status: 'preliminary',
    category: [{ coding: [{ system: systems.observationCategory, code: 'imaging', display: 'Imaging' }] }],
    subject: { reference: patientReference },
    // When the images were taken: that is what was measured.
    ...(effective ? { effectiveDateTime: effective } : {}),
    issued: result.completedAt.toISOString(),
    device,
    derivedFrom: [imagingStudy],
  };
}

function measurementObservation(measurement: Measurement, context: ObservationContext): Observation {
  const site = siteOf(measurement, context.result);
  return {
    ...common(context, `measurement ${measurement.id}`),
    text: narrative(measurementText(measurement, context.result)),
    code: concept(measurement.concept),
    valueQuantity: {
      value: measurement.value,
      unit: measurement.unit.meaning || measurement.unit.value,
      system: codeSystem(measurement.unit.scheme),
      code: measurement.unit.value,
    },
    ...(site ? { bodySite: site } : {}),
    ...(measurement.method ? { method: concept(measurement.method) } : {}),
  };
}

function siteOf(measurement: Measurement, result: JobResult): CodeableConcept | undefined {
  const segment = segmentOf(measurement, result);
  const site: Code | undefined = measurement.findingSite ?? segment?.anatomicRegion ?? segment?.type;
  return site && bodySite(site, measurement.laterality || (segment?.laterality ?? ''));
}

const segmentOf = (
  measurement: Measurement,
  result: JobResult,
): NonNullable<JobResult['labelMap']>['segments'][number] | undefined =>
  result.labelMap?.segments.find(({ number }) => number === measurement.segmentNumber);

/** Six significant digits: more would claim an accuracy no mask has. */
const rounded = (value: number): string => String(Number(value.toPrecision(6)));

/** One measurement in words: "Volume, Left lung: 2105.3 mL". */
export function measurementText(measurement: Measurement, result: JobResult): string {
  const segment = segmentOf(measurement, result);
  const where = segment
    ? segment.label || segment.type.meaning
    : sidedText(measurement.findingSite?.meaning ?? '', lateralityCode(measurement.laterality));
  return `${measurement.concept.meaning}${where ? `, ${where}` : ''}: ${rounded(measurement.value)} ${measurement.unit.value}`;
}

/** One finding in words: "Atelectasis: present (probability 0.63)". */
export function findingText({ concept: { meaning }, present, probability }: Finding): string {
  const chance = probability === undefined ? '' : ` (probability ${Number(probability.toPrecision(3))})`;
  return `${meaning}: ${present ? 'present' : 'absent'}${chance}`;
}

function findingObservation(finding: Finding, index: number, context: ObservationContext): Observation {
  // Two findings may share a concept; then their place tells them apart.
  const twins = context.result.findings
    .slice(0, index)
    .filter(({ concept: other }) => other.value === finding.concept.value).length;
  return {
    ...common(context, `finding ${finding.concept.scheme} ${finding.concept.value} ${twins}`),
    text: narrative(findingText(finding)),
    code: concept(finding.concept),
    valueCodeableConcept: concept(finding.present ? concepts.present : concepts.absent),
    ...(finding.findingSite ? { bodySite: concept(finding.findingSite) } : {}),
    ...(finding.probability === undefined
      ? {}
      : {
          component: [
            {
              code: concept(concepts.certaintyOfFinding),
              valueQuantity: { value: finding.probability * 100, unit: '%', system: systems.ucum, code: '%' },
            },
          ],
        }),
  };
}
