import { GeometryError, type GeometryProblem } from '../errors.js';
import { isSecondaryCapture } from '../sop-classes.js';
import { planeOf, orientationOf, type InstanceGeometry, type PlaneOrientation } from './slice.js';
import { stackSlices, type Stack, type VolumeIrregularity } from './stack.js';

/** What a series is, by its geometry; ImageType is evidence only. */
export type SeriesKind = 'volume' | 'localizer' | 'secondary-capture' | 'not-a-volume';

/**
 * What was seen: reasons and oddities, for the log of a decision and for people. `image-type-…` never decides, except
 * LOCALIZER.
 */
export type SeriesEvidence =
  | 'localizer-image-type'
  | 'secondary-capture-sop-class'
  | 'too-few-slices'
  | 'no-rescale'
  | 'derived'
  | 'image-type-contradicts-geometry'
  | 'frame-of-reference-varies'
  | 'issued-by-callosum'
  | `geometry-${GeometryProblem}`
  | `irregular-${Lowercase<VolumeIrregularity>}`;

export interface SeriesClass {
  readonly kind: SeriesKind;
  /** By the plane's normal; undefined when slices have none or it varies. */
  readonly orientation: PlaneOrientation | undefined;
  readonly evidence: readonly SeriesEvidence[];
  /** Only of a volume. */
  readonly stack: Stack | undefined;
}

/** A localizer may have two or three planes; fewer than this many slices are no volume for any model. */
const volumeSlicesMin = 4;

/** Says what a series is and why (DESIGN "Series selection"). Never fails. */
export function classifySeries(instances: readonly InstanceGeometry[]): SeriesClass {
  const evidence: SeriesEvidence[] = [];
  const orientation = commonOrientation(instances);
  const is = (kind: SeriesKind): SeriesClass => ({ kind, orientation, evidence, stack: undefined });
  if (instances.some(({ imageType }) => imageType[0] === 'DERIVED')) evidence.push('derived');
  if (orientation !== undefined && contradicts(instances, orientation))
    evidence.push('image-type-contradicts-geometry');
  if (new Set(instances.map(({ frameOfReferenceUid }) => frameOfReferenceUid)).size > 1)
    evidence.push('frame-of-reference-varies');

  if (instances.some(({ sopClassUid }) => isSecondaryCapture(sopClassUid))) {
    evidence.push('secondary-capture-sop-class');
    return is('secondary-capture');
  }
  if (instances.some(isLocalizer)) {
    evidence.push('localizer-image-type');
    return is('localizer');
  }
  if (instances.length > 0 && instances.some(({ hasRescale }) => !hasRescale)) evidence.push('no-rescale');
  try {
    const stack = stackSlices(instances);
    evidence.push(
      ...stack.irregularities.map(
        (irregularity) => `irregular-${irregularity.toLowerCase() as Lowercase<VolumeIrregularity>}` as const,
      ),
    );
    if (instances.length < volumeSlicesMin) {
      evidence.push('too-few-slices');
      return is('not-a-volume');
    }
    return { kind: 'volume', orientation, evidence, stack };
  } catch (error) {
    if (!(error instanceof GeometryError)) throw error;
    evidence.push(`geometry-${error.problem}`);
    return is('not-a-volume');
  }
}

/** Value 3 of CT's Image Type; elsewhere LOCALIZER may stand in any later value (PS3.3 C.8.2.1.1.1). */
const isLocalizer = ({ imageType }: InstanceGeometry): boolean =>
  imageType.slice(2).some((value) => value.toUpperCase() === 'LOCALIZER');

function commonOrientation(instances: readonly InstanceGeometry[]): PlaneOrientation | undefined {
  const seen = new Set(
    instances.map(({ imageOrientationPatient }) => {
      const plane = planeOf(imageOrientationPatient);
      return plane && orientationOf(plane);
    }),
  );
  return seen.size === 1 ? [...seen][0] : undefined;
}

/** A sagittal reformat may claim AXIAL: worth saying, never worth believing. */
function contradicts(instances: readonly InstanceGeometry[], orientation: PlaneOrientation): boolean {
  return orientation !== 'AXIAL' && instances.some(({ imageType }) => imageType[2]?.toUpperCase() === 'AXIAL');
}
