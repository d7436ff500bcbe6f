import { code, container, number, segmentReference, text, uidReference } from './content-item.js';
import { concepts } from './codes.js';
import type { Dataset } from './dataset.js';
import { type Code, type Finding, type JobResult, lateralityCode, type Measurement, type Segment } from '../result.js';
import type { ResultUids } from './result-uids.js';
import { type BuiltSegmentation, segmentationStorage, trackingIdentifier } from './segmentation.js';

const percent: Code = { value: '%', scheme: 'UCUM', meaning: 'Percent' };

/** Measurement groups of a result: TID 1411 for each segment that can be shown, TID 1501 for the rest. */
export function measurementGroups(
  result: JobResult,
  segmentation: BuiltSegmentation | undefined,
  uids: ResultUids,
): readonly Dataset[] {
  const segments = result.labelMap?.segments ?? [];
  const ofSegment = (number: number): readonly Measurement[] =>
    result.measurements.filter((measurement) => measurement.segmentNumber === number);
  const known = new Set(segments.map(({ number }) => number));
  return [
    ...segments.map((segment) => segmentGroup(segment, ofSegment(segment.number), result, segmentation, uids)),
    ...result.measurements
      .filter((measurement) => !known.has(measurement.segmentNumber))
      .map((measurement) => planeGroup(measurement, result, uids)),
    ...result.findings.map((finding, index) => findingGroup(finding, index, result, uids)),
  ];
}

/** TID 1411 Volumetric ROI Measurements; TID 1501 when the segment has no voxel to refer to. */
function segmentGroup(
  segment: Segment,
  measurements: readonly Measurement[],
  result: JobResult,
  segmentation: BuiltSegmentation | undefined,
  uids: ResultUids,
): Dataset {
  const region = segment.anatomicRegion ?? measurements.find(({ findingSite: own }) => own)?.findingSite;
  // Without a region of its own the segment's type says where it is, on the side of its laterality.
  const site: Site = { code: region ?? segment.type, laterality: segment.laterality };
  const shown = segmentation?.segmentNumbers.includes(segment.number) ? segmentation : undefined;
  return container(
    'CONTAINS',
    concepts.measurementGroup,
    [
      ...tracking(trackingIdentifier(segment), uids),
      ...algorithm(result),
      code('CONTAINS', concepts.findingCategory, segment.category),
      code('CONTAINS', concepts.finding, segment.type),
      ...(shown
        ? [
            segmentReference(
              'CONTAINS',
              concepts.referencedSegment,
              { sopClassUid: segmentationStorage, sopInstanceUid: shown.sopInstanceUid },
              segment.number,
            ),
            uidReference('CONTAINS', concepts.sourceSeriesForSegmentation, result.seriesInstanceUid),
          ]
        : []),
      ...(region || segment.laterality ? [findingSite(site)] : []),
      ...measurements.map((measurement) => measured(measurement, site)),
    ],
    shown ? '1411' : '1501',
  );
}

/** TID 1501: a measurement of the study as a whole. */
function planeGroup(measurement: Measurement, result: JobResult, uids: ResultUids): Dataset {
  return container(
    'CONTAINS',
    concepts.measurementGroup,
    [...tracking(`Measurement ${measurement.id}`, uids), ...algorithm(result), measured(measurement, undefined)],
    '1501',
  );
}

/** TID 1501: a finding with its presence and, as certainty in percent, the model's probability. */
function findingGroup(finding: Finding, index: number, result: JobResult, uids: ResultUids): Dataset {
  return container(
    'CONTAINS',
    concepts.measurementGroup,
    [
      ...tracking(`Finding ${index + 1}`, uids),
      ...algorithm(result),
      code('CONTAINS', concepts.finding, finding.concept),
      ...(finding.findingSite ? [findingSite({ code: finding.findingSite, laterality: '' })] : []),
      ...(finding.probability === undefined
        ? []
        : [number('CONTAINS', concepts.certaintyOfFinding, finding.probability * 100, percent)]),
      code('CONTAINS', concepts.presenceOfProperty, finding.present ? concepts.present : concepts.absent),
    ],
    '1501',
  );
}

const tracking = (identifier: string, uids: ResultUids): readonly Dataset[] => [
  text('HAS OBS CONTEXT', concepts.trackingIdentifier, identifier),
  uidReference('HAS OBS CONTEXT', concepts.trackingUniqueIdentifier, uids.tracking(identifier)),
];

/** TID 4019 Algorithm Identification. */
const algorithm = ({ model }: JobResult): readonly Dataset[] => [
  text('HAS CONCEPT MOD', concepts.algorithmName, model.name || model.modelId),
  text('HAS CONCEPT MOD', concepts.algorithmVersion, model.version),
];

/** Where something is: a region, and "R", "L", "B" or empty. */
interface Site {
  readonly code: Code;
  readonly laterality: string;
}

function findingSite(
  { code: region, laterality }: Site,
  relationship: 'CONTAINS' | 'HAS CONCEPT MOD' = 'CONTAINS',
): Dataset {
  const side = lateralityCode(laterality);
  const children = side ? [code('HAS CONCEPT MOD', concepts.laterality, side)] : [];
  return code(relationship, concepts.findingSite, region, children);
}

/** TID 300 Measurement; its site only when it is another one than the group's. */
function measured(measurement: Measurement, ofGroup: Site | undefined): Dataset {
  const { concept, value, unit, method } = measurement;
  const ownSite = siteOf(measurement, ofGroup);
  return number('CONTAINS', concept, value, unit, [
    ...(method ? [code('HAS CONCEPT MOD', concepts.measurementMethod, method)] : []),
    ...(ownSite ? [findingSite(ownSite, 'HAS CONCEPT MOD')] : []),
  ]);
}

/**
 * A measurement's site in full when its region or its side differs from the group's: a reader takes what a
 * measurement leaves out from the group (TID 1419). What the measurement itself leaves out is the group's.
 */
function siteOf({ findingSite: own, laterality }: Measurement, ofGroup: Site | undefined): Site | undefined {
  const region = own ?? ofGroup?.code;
  if (!region) return undefined;
  const sameRegion = region.value === ofGroup?.code.value && region.scheme === ofGroup.code.scheme;
  const side = laterality || (sameRegion ? ofGroup.laterality : '');
  return sameRegion && side === ofGroup.laterality ? undefined : { code: region, laterality: side };
}
