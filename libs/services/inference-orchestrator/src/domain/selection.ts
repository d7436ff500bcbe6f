import { createHash } from 'node:crypto';

import { type InstanceGeometry, type SelectableSeries, selectVolumeSeries, type SeriesVerdict } from '@callosum/dicom';

import { type Manifest, slicesMax } from './manifest.js';

/** An instance as the index describes it, with the digest of what a model reads of it: not of whose it is. */
export interface IndexedInstance extends InstanceGeometry {
  readonly issuedByCallosum: boolean;
  readonly contentDigest: string;
}

export interface IndexedSeries extends Omit<SelectableSeries, 'instances'> {
  readonly instances: readonly IndexedInstance[];
}

export interface IndexedStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly series: readonly IndexedSeries[];
}

/** The exact input of a job. */
export interface SelectedInput {
  readonly seriesInstanceUid: string;
  /** Slice order: ascending along row × column. */
  readonly sopInstanceUids: readonly string[];
  readonly inputDigest: string;
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  /** Why this series: its own oddities, and what spoke against each other one. */
  readonly evidence: readonly string[];
}

export interface Selection {
  /** Undefined when no series matches. */
  readonly input: SelectedInput | undefined;
  readonly verdicts: readonly SeriesVerdict[];
}

/** Lines of evidence in one event; a study with more series than this is still decided on all of them. */
const evidenceMax = 200;

/**
 * The one series of a study a model reads. Geometry decides, ImageType is evidence; instances Callosum issued are
 * never input (rule 4), also inside a series of the sender's.
 */
export function selectInput(study: IndexedStudy, manifest: Manifest): Selection {
  const series = study.series.map((one) => {
    const source = one.instances.filter(({ issuedByCallosum }) => !issuedByCallosum);
    return { ...one, issuedByCallosum: source.length === 0, instances: source };
  });
  const { seriesInstanceUid, verdicts } = selectVolumeSeries(series, {
    modality: manifest.modality,
    orientation: manifest.orientation,
    bodyParts: manifest.bodyParts,
    sliceSpacingMinMm: manifest.sliceSpacingMinMm,
    sliceSpacingMaxMm: manifest.sliceSpacingMaxMm,
    sliceCountMin: manifest.sliceCountMin,
    sliceCountMax: Math.min(manifest.sliceCountMax || slicesMax, slicesMax),
    preference: manifest.preference,
    acceptsGantryTilt: manifest.acceptsGantryTilt,
    acceptsGaps: manifest.acceptsGaps,
    acceptsUnevenSpacing: manifest.acceptsUnevenSpacing,
    voxelsMax: manifest.voxelsMax,
  });
  const taken = series.find((one) => one.seriesInstanceUid === seriesInstanceUid);
  const stack = verdicts.find((one) => one.seriesInstanceUid === seriesInstanceUid)?.seriesClass.stack;
  if (!taken || !stack) return { input: undefined, verdicts };
  const ordered = stack.order.flatMap((index) => taken.instances[index] ?? []);
  return {
    input: {
      seriesInstanceUid: taken.seriesInstanceUid,
      sopInstanceUids: ordered.map(({ sopInstanceUid }) => sopInstanceUid),
      inputDigest: inputDigest(manifest.model.modelId, taken.seriesInstanceUid, ordered),
      columns: stack.columns,
      rows: stack.rows,
      slices: ordered.length,
      evidence: evidenceOf(taken.seriesInstanceUid, verdicts),
    },
    verdicts,
  };
}

/**
 * Digest of what a model would read. The model's version is not in it: a new version does not run again over what
 * its predecessor has answered.
 */
export function inputDigest(
  modelId: string,
  seriesInstanceUid: string,
  instances: readonly { readonly sopInstanceUid: string; readonly contentDigest: string }[],
): string {
  const parts = instances.map(({ sopInstanceUid, contentDigest }) => [sopInstanceUid, contentDigest]);
  parts.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([modelId, seriesInstanceUid, parts]))
    .digest('hex');
}

function evidenceOf(taken: string, verdicts: readonly SeriesVerdict[]): string[] {
  const lines = verdicts.flatMap(({ seriesInstanceUid, reasons, seriesClass }) =>
    seriesInstanceUid === taken
      ? ['taken', `orientation-${seriesClass.orientation?.toLowerCase() ?? 'none'}`, ...seriesClass.evidence].map(
          (code) => `${seriesInstanceUid} ${code}`,
        )
      : reasons.map((reason) => `${seriesInstanceUid} ${reason}`),
  );
  // The taken series first, whatever is cut off.
  lines.sort((a, b) => Number(b.startsWith(`${taken} `)) - Number(a.startsWith(`${taken} `)));
  return lines.slice(0, evidenceMax);
}
