import { classifySeries, type SeriesClass, type SeriesEvidence } from './classify.js';
import type { InstanceGeometry, PlaneOrientation } from './slice.js';
import type { VolumeIrregularity } from './stack.js';

/** A series as study-index describes it; the fields of `callosum.imaging.v1.Series` this needs. */
export interface SelectableSeries {
  readonly seriesInstanceUid: string;
  readonly modality: string;
  readonly bodyPartExamined: string;
  readonly issuedByCallosum: boolean;
  readonly instances: readonly InstanceGeometry[];
}

/** What a model reads; `callosum.worker.v1.Selection` and `VolumeLimits` in plain words. 0 and empty mean no bound. */
export interface VolumeSelection {
  readonly modality: string;
  readonly orientation?: Exclude<PlaneOrientation, 'OBLIQUE'> | undefined;
  readonly bodyParts?: readonly string[];
  readonly sliceSpacingMinMm?: number;
  readonly sliceSpacingMaxMm?: number;
  readonly sliceCountMin?: number;
  readonly sliceCountMax?: number;
  readonly preference?: 'THINNEST_SLICES' | 'MOST_SLICES' | undefined;
  readonly acceptsGantryTilt?: boolean;
  readonly acceptsGaps?: boolean;
  readonly acceptsUnevenSpacing?: boolean;
  readonly voxelsMax?: number;
}

/** Why a series was not taken. */
export type RejectionReason =
  | SeriesEvidence
  | 'modality'
  | 'orientation'
  | 'body-part'
  | 'slice-spacing'
  | 'slice-count'
  | 'voxels'
  | 'another-series-preferred';

export interface SeriesVerdict {
  readonly seriesInstanceUid: string;
  readonly matches: boolean;
  /** Empty when it matches and was taken. */
  readonly reasons: readonly RejectionReason[];
  readonly seriesClass: SeriesClass;
}

export interface VolumeChoice {
  /** Undefined when no series matches. */
  readonly seriesInstanceUid: string | undefined;
  /** Every series with what spoke against it. */
  readonly verdicts: readonly SeriesVerdict[];
}

const acceptedBy: Readonly<Record<VolumeIrregularity, 'acceptsGantryTilt' | 'acceptsGaps' | 'acceptsUnevenSpacing'>> = {
  GANTRY_TILT: 'acceptsGantryTilt',
  GAPS: 'acceptsGaps',
  UNEVEN_SPACING: 'acceptsUnevenSpacing',
};

/**
 * The one series of a study a volume model reads, and why not the others. Geometry decides; of several that match,
 * the preference, then the larger count, then the smaller UID, so that the choice never depends on arrival order.
 */
export function selectVolumeSeries(series: readonly SelectableSeries[], selection: VolumeSelection): VolumeChoice {
  const verdicts = series.map((one) => judge(one, selection));
  const matching = verdicts.filter(({ matches }) => matches).sort((a, b) => compare(a, b, selection));
  const taken = matching[0]?.seriesInstanceUid;
  return {
    seriesInstanceUid: taken,
    verdicts: verdicts.map((verdict) =>
      verdict.matches && verdict.seriesInstanceUid !== taken
        ? { ...verdict, reasons: ['another-series-preferred'] }
        : verdict,
    ),
  };
}

function judge(series: SelectableSeries, selection: VolumeSelection): SeriesVerdict {
  const seriesClass = classifySeries(series.instances);
  const reasons = [...reasonsOfSeries(series, selection, seriesClass), ...reasonsOfStack(selection, seriesClass)];
  return { seriesInstanceUid: series.seriesInstanceUid, matches: reasons.length === 0, reasons, seriesClass };
}

function reasonsOfSeries(
  series: SelectableSeries,
  selection: VolumeSelection,
  { kind, orientation, evidence }: SeriesClass,
): RejectionReason[] {
  const reasons: RejectionReason[] = [];
  const bodyParts = selection.bodyParts ?? [];
  const bodyPart = series.bodyPartExamined.trim().toUpperCase();
  if (series.issuedByCallosum) reasons.push('issued-by-callosum');
  if (selection.modality !== '' && series.modality !== selection.modality) reasons.push('modality');
  if (bodyParts.length > 0 && bodyPart !== '' && !bodyParts.some((one) => one.toUpperCase() === bodyPart))
    reasons.push('body-part');
  if (kind !== 'volume') reasons.push(...evidence.filter((one) => decides(one)));
  else if (selection.modality === 'CT' && evidence.includes('no-rescale')) reasons.push('no-rescale');
  if (selection.orientation !== undefined && orientation !== selection.orientation) reasons.push('orientation');
  return reasons;
}

const oddities: ReadonlySet<string> = new Set([
  'derived',
  'image-type-contradicts-geometry',
  'frame-of-reference-varies',
  'no-rescale',
]);
const decides = (evidence: SeriesEvidence): boolean => !oddities.has(evidence) && !evidence.startsWith('irregular-');

function reasonsOfStack(selection: VolumeSelection, { stack }: SeriesClass): RejectionReason[] {
  if (!stack) return [];
  const reasons: RejectionReason[] = [];
  const spacing = stack.spacingMm[2];
  const count = stack.order.length;
  // Spacing is computed from positions, so a bound holds to a hundredth of a millimetre.
  if (spacing < (selection.sliceSpacingMinMm ?? 0) - 0.01 || spacing > bound(selection.sliceSpacingMaxMm) + 0.01)
    reasons.push('slice-spacing');
  if (count < (selection.sliceCountMin ?? 0) || count > bound(selection.sliceCountMax)) reasons.push('slice-count');
  if (stack.columns * stack.rows * count > bound(selection.voxelsMax)) reasons.push('voxels');
  for (const irregularity of stack.irregularities) {
    if (selection[acceptedBy[irregularity]] !== true)
      reasons.push(`irregular-${irregularity.toLowerCase() as Lowercase<VolumeIrregularity>}`);
  }
  return reasons;
}

const bound = (max: number | undefined): number => (max === undefined || max === 0 ? Infinity : max);

function compare(a: SeriesVerdict, b: SeriesVerdict, selection: VolumeSelection): number {
  const thin = (a.seriesClass.stack?.spacingMm[2] ?? 0) - (b.seriesClass.stack?.spacingMm[2] ?? 0);
  const most = (b.seriesClass.stack?.order.length ?? 0) - (a.seriesClass.stack?.order.length ?? 0);
  const byPreference = selection.preference === 'MOST_SLICES' ? most : Math.abs(thin) > 0.01 ? thin : most;
  return byPreference || (a.seriesInstanceUid < b.seriesInstanceUid ? -1 : 1);
}
