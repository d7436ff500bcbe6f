import { BitPacker } from './bit-packing.js';
import { codeItem, codeSequence, concepts, longString } from './codes.js';
import { dateAndTime } from './content-time.js';
import { attribute, type Dataset, decimals, sequence } from './dataset.js';
import { equipment, sopCommon } from './equipment.js';
import { UnpublishableResultError } from '../errors.js';
import { sopInstanceReference } from './references.js';
import { type JobResult, type LabelMap, lateralityCode, type Segment } from '../result.js';
import type { ResultUids } from './result-uids.js';
import { type SourceSeries, type SourceSlice, sortedDataset } from './source-series.js';

export const segmentationStorage = '1.2.840.10008.5.1.4.1.1.66.4';

/** A whole CT of 2,000 slices with 255 segments in half of them; beyond it the object is no longer a mask of an organ. */
const framesMax = 65_535;

export interface BuiltSegmentation {
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** Without Pixel Data. */
  readonly dataset: Dataset;
  /** Pixel Data (7FE0,0010), one bit a pixel. */
  readonly pixelData: Uint8Array;
  /** Numbers of the segments that have at least one frame. */
  readonly segmentNumbers: readonly number[];
}

interface Frame {
  readonly segment: Segment;
  readonly slice: SourceSlice;
  /** Zero-based. */
  readonly sliceIndex: number;
}

/**
 * A Segmentation (PS3.3 A.51, BINARY) of a result's label map on the grid of its source: a frame for each segment
 * and slice that is not empty. Undefined when no voxel is set: an object without frames cannot be written.
 * @throws {UnpublishableResultError} when the label map is not on the source's grid
 */
export function buildSegmentation(
  result: JobResult,
  source: SourceSeries,
  uids: ResultUids,
): BuiltSegmentation | undefined {
  const labelMap = result.labelMap;
  if (!labelMap) return undefined;
  requireSameGrid(labelMap, source);
  const frames = framesOf(labelMap, source);
  if (frames.length === 0) return undefined;
  if (frames.length > framesMax)
    throw new UnpublishableResultError(`${frames.length} frames are more than ${framesMax}`);
  const dataset: Dataset = {
    ...source.copied,
    ...identification(result, source, uids),
    ...equipment(result.model),
    ...references(source),
    ...image(labelMap, frames.length, source.lossy),
    ...dimensions(uids),
    '00620001': attribute('CS', 'BINARY'),
    '00620002': sequence(...labelMap.segments.map((segment) => segmentItem(segment, result, uids))),
    // Each voxel of a label map has one value.
    '00620013': attribute('CS', 'NO'),
    '52009229': sequence(sharedGroups(source)),
    '52009230': sequence(...frames.map((frame) => frameGroups(frame))),
  };
  return {
    sopInstanceUid: uids.segInstance,
    seriesInstanceUid: uids.segSeries,
    dataset: sortedDataset(dataset),
    pixelData: pack(labelMap, frames),
    segmentNumbers: [...new Set(frames.map((frame) => frame.segment.number))],
  };
}

function requireSameGrid({ columns, rows, slices, voxels }: LabelMap, source: SourceSeries): void {
  const same = columns === source.columns && rows === source.rows && slices === source.slices.length;
  if (!same || voxels.length !== columns * rows * slices) {
    throw new UnpublishableResultError('the label map is not on the grid of its source');
  }
  const described = source.orientation.length === 6 && source.pixelSpacing.length === 2;
  if (!described || source.slices.some((slice) => slice.position.length !== 3)) {
    throw new UnpublishableResultError('the source has no plane geometry');
  }
}

const voxelsOf = ({ columns, rows, voxels }: LabelMap, sliceIndex: number): Uint8Array =>
  voxels.subarray(sliceIndex * columns * rows, (sliceIndex + 1) * columns * rows);

function framesOf(labelMap: LabelMap, source: SourceSeries): readonly Frame[] {
  const seen = source.slices.map((_, sliceIndex) => {
    const values = new Uint8Array(256);
    for (const value of voxelsOf(labelMap, sliceIndex)) values[value] = 1;
    return values;
  });
  return labelMap.segments.flatMap((segment) =>
    source.slices.flatMap((slice, sliceIndex) =>
      seen[sliceIndex]?.[segment.number] ? [{ segment, slice, sliceIndex }] : [],
    ),
  );
}

function pack(labelMap: LabelMap, frames: readonly Frame[]): Uint8Array {
  const packer = new BitPacker(frames.length * labelMap.columns * labelMap.rows);
  for (const frame of frames) packer.append(voxelsOf(labelMap, frame.sliceIndex), frame.segment.number);
  return packer.bytes;
}

function identification(result: JobResult, source: SourceSeries, uids: ResultUids): Dataset {
  const { date, time } = dateAndTime(result.completedAt, source.copied);
  return {
    ...sopCommon(segmentationStorage, uids.segInstance),
    '00080008': attribute('CS', 'DERIVED', 'PRIMARY'),
    '00080012': date,
    '00080013': time,
    '00080021': date,
    '00080023': date,
    '00080031': time,
    '00080033': time,
    '00080060': attribute('CS', 'SEG'),
    '0008103E': longString(`${result.model.name || result.model.modelId}: segmentation`),
    '0020000E': attribute('UI', uids.segSeries),
    '00200011': attribute('IS', 9001),
    '00200013': attribute('IS', 1),
    '00200052': attribute('UI', source.frameOfReferenceUid),
    '00201040': attribute('LO'),
    '00700080': attribute('CS', 'SEGMENTATION'),
    '00700081': longString(`Segmentation by ${result.model.name || result.model.modelId}`),
    '00700084': attribute('PN'),
  };
}

/** Common Instance Reference (C.12.2): the whole input series, slices without a segment included. */
function references(source: SourceSeries): Dataset {
  return {
    '00081115': sequence({
      '0008114A': sequence(...source.slices.map(sopInstanceReference)),
      '0020000E': attribute('UI', source.seriesInstanceUid),
    }),
  };
}

function image({ columns, rows }: LabelMap, frameCount: number, lossy: Dataset): Dataset {
  return {
    '00280002': attribute('US', 1),
    '00280004': attribute('CS', 'MONOCHROME2'),
    '00280008': attribute('IS', frameCount),
    '00280010': attribute('US', rows),
    '00280011': attribute('US', columns),
    '00280100': attribute('US', 1),
    '00280101': attribute('US', 1),
    '00280102': attribute('US', 0),
    '00280103': attribute('US', 0),
    ...lossy,
  };
}

function dimensions(uids: ResultUids): Dataset {
  const organization = attribute('UI', uids.dimensionOrganization);
  const index = (pointer: string, group: string, label: string): Dataset => ({
    '00209164': organization,
    '00209165': attribute('AT', pointer),
    '00209167': attribute('AT', group),
    '00209421': attribute('LO', label),
  });
  return {
    '00209221': sequence({ '00209164': organization }),
    '00209222': sequence(
      index('0062000B', '0062000A', 'Referenced Segment Number'),
      index('00200032', '00209113', 'Image Position (Patient)'),
    ),
  };
}

function segmentItem(segment: Segment, { model }: JobResult, uids: ResultUids): Dataset {
  const laterality = lateralityCode(segment.laterality);
  return sortedDataset({
    ...(segment.anatomicRegion ? { '00082218': codeSequence(segment.anatomicRegion) } : {}),
    '00620003': codeSequence(segment.category),
    '00620004': attribute('US', segment.number),
    '00620005': longString(segment.label || segment.type.meaning),
    '00620007': sequence({
      '0066002F': codeSequence(concepts.artificialIntelligence),
      '00660031': longString(model.version),
      '00660036': longString(model.name || model.modelId),
      '00240202': longString(model.vendor || 'Unknown vendor'),
    }),
    '00620008': attribute('CS', 'AUTOMATIC'),
    '00620009': longString(model.name || model.modelId),
    ...(segment.recommendedCielab.length === 3 ? { '0062000D': attribute('US', ...segment.recommendedCielab) } : {}),
    '0062000F': sequence({
      ...codeItem(segment.type),
      ...(laterality ? { '00620011': codeSequence(laterality) } : {}),
    }),
    '00620020': attribute('UT', trackingIdentifier(segment)),
    '00620021': attribute('UI', uids.tracking(trackingIdentifier(segment))),
  });
}

/** The same name in SEG and SR, so that a reader can follow a segment to its measurements. */
export const trackingIdentifier = (segment: Segment): string =>
  `${segment.label || segment.type.meaning} (segment ${segment.number})`;

function sharedGroups(source: SourceSeries): Dataset {
  const spacing = spacingBetweenSlices(source);
  return {
    '00209116': sequence({ '00200037': decimals(source.orientation) }),
    '00289110': sequence({
      // Type 1C here: where the source says nothing, a slice reaches to the next one.
      '00180050': decimals([source.sliceThickness ?? (spacing || 1)]),
      ...(spacing > 0 ? { '00180088': decimals([spacing]) } : {}),
      '00280030': decimals(source.pixelSpacing),
    }),
  };
}

function frameGroups({ segment, slice, sliceIndex }: Frame): Dataset {
  return {
    '00089124': sequence({
      '00082112': sequence({
        ...sopInstanceReference(slice),
        '0028135A': attribute('CS', 'YES'),
        '0040A170': codeSequence(concepts.sourceImageForProcessing),
      }),
      '00089215': codeSequence(concepts.segmentation),
    }),
    '00209111': sequence({ '00209157': attribute('UL', segment.number, sliceIndex + 1) }),
    '00209113': sequence({ '00200032': decimals(slice.position) }),
    // Per frame even for one segment: readers look for it here (PS3.3 C.8.20.3.1 allows both places).
    '0062000A': sequence({ '0062000B': attribute('US', segment.number) }),
  };
}

/** Median distance of neighbouring slices along the normal, in millimetres; 0 for a single slice. */
export function spacingBetweenSlices({ orientation, slices }: SourceSeries): number {
  const [rx = 0, ry = 0, rz = 0, cx = 0, cy = 0, cz = 0] = orientation;
  const normal = [ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx];
  const along = slices.map(({ position }) =>
    position.reduce((sum, value, axis) => sum + value * (normal[axis] ?? 0), 0),
  );
  const steps = along.slice(1).map((value, index) => Math.abs(value - (along[index] ?? 0)));
  const middle = steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  // Differences of decimal strings carry binary noise; a nanometre is below any scanner.
  return Math.round(middle * 1e6) / 1e6;
}
