import { dateAndTime } from './content-time.js';
import { code, container, continuous, template, text, uidReference } from './content-item.js';
import { codeSequence, concepts, longString, procedureOf } from './codes.js';
import { attribute, type Dataset, sequence } from './dataset.js';
import { equipment, sopCommon } from './equipment.js';
import { measurementGroups } from './measurement-groups.js';
import { sopInstanceReference } from './references.js';
import type { JobResult } from '../result.js';
import { deviceUid, type ResultUids } from './result-uids.js';
import { type BuiltSegmentation, segmentationStorage } from './segmentation.js';
import { type SourceSeries, sortedDataset } from './source-series.js';

export const comprehensive3dSrStorage = '1.2.840.10008.5.1.4.1.1.88.34';

export interface BuiltReport {
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly dataset: Dataset;
}

/**
 * A Comprehensive 3D SR (PS3.3 A.35.13) with the TID 1500 Measurement Report of a result: its measurements and
 * findings in groups, warnings as comments, and the Segmentation and source images as evidence.
 */
export function buildMeasurementReport(
  result: JobResult,
  source: SourceSeries,
  segmentation: BuiltSegmentation | undefined,
  uids: ResultUids,
): BuiltReport {
  const dataset: Dataset = {
    ...source.copied,
    ...identification(result, source, uids),
    ...equipment(result.model),
    '0040A040': attribute('CS', 'CONTAINER'),
    '0040A043': codeSequence(concepts.imagingMeasurementReport),
    ...continuous,
    ...template('1500'),
    '0040A730': sequence(...content(result, source, segmentation, uids)),
    '0040A372': sequence(),
    '0040A375': sequence(evidence(source, segmentation)),
    '0040A491': attribute('CS', 'COMPLETE'),
    '0040A493': attribute('CS', 'UNVERIFIED'),
    // Preliminary until a person has reviewed it.
    '0040A496': attribute('CS', 'PRELIMINARY'),
  };
  return {
    sopInstanceUid: uids.srInstance,
    seriesInstanceUid: uids.srSeries,
    dataset: sortedDataset(dataset),
  };
}

function identification(result: JobResult, source: SourceSeries, uids: ResultUids): Dataset {
  const { date, time } = dateAndTime(result.completedAt, source.copied);
  return {
    ...sopCommon(comprehensive3dSrStorage, uids.srInstance),
    '00080012': date,
    '00080013': time,
    '00080021': date,
    '00080023': date,
    '00080031': time,
    '00080033': time,
    '00080060': attribute('CS', 'SR'),
    '0008103E': longString(`${result.model.name || result.model.modelId}: measurements`),
    '00081111': sequence(),
    '0020000E': attribute('UI', uids.srSeries),
    '00200011': attribute('IS', 9002),
    '00200013': attribute('IS', 1),
  };
}

function content(
  result: JobResult,
  source: SourceSeries,
  segmentation: BuiltSegmentation | undefined,
  uids: ResultUids,
): readonly Dataset[] {
  const groups = measurementGroups(result, segmentation, uids);
  const warnings = result.warnings.map(({ code: warning, message }) =>
    text('CONTAINS', concepts.comment, `Warning (${warning}): ${message}`),
  );
  return [
    code('HAS CONCEPT MOD', concepts.language, concepts.english),
    ...observer(result),
    code('HAS CONCEPT MOD', concepts.procedureReported, procedureOf(source.modality)),
    ...(groups.length > 0 ? [container('CONTAINS', concepts.imagingMeasurements, groups)] : []),
    ...(warnings.length > 0 ? [container('CONTAINS', concepts.qualitativeEvaluations, warnings)] : []),
  ];
}

/** TID 1002 Observer Context with TID 1004 Device Observer Identifying Attributes. */
function observer({ model }: JobResult): readonly Dataset[] {
  const context = 'HAS OBS CONTEXT';
  return [
    code(context, concepts.observerType, concepts.device),
    uidReference(context, concepts.deviceObserverUid, deviceUid(model)),
    text(context, concepts.deviceObserverName, model.name || model.modelId),
    ...(model.vendor ? [text(context, concepts.deviceObserverManufacturer, model.vendor)] : []),
    text(context, concepts.deviceObserverModelName, `${model.modelId} ${model.version}`),
  ];
}

/** Current Requested Procedure Evidence (C.17.2): every object the content refers to, and the images it came from. */
function evidence(source: SourceSeries, segmentation: BuiltSegmentation | undefined): Dataset {
  const series = (seriesInstanceUid: string, objects: Parameters<typeof sopInstanceReference>[0][]): Dataset => ({
    '00081199': sequence(...objects.map(sopInstanceReference)),
    '0020000E': attribute('UI', seriesInstanceUid),
  });
  return {
    '00081115': sequence(
      series(source.seriesInstanceUid, [...source.slices]),
      ...(segmentation
        ? [
            series(segmentation.seriesInstanceUid, [
              { sopClassUid: segmentationStorage, sopInstanceUid: segmentation.sopInstanceUid },
            ]),
          ]
        : []),
    ),
    '0020000D': attribute('UI', source.studyInstanceUid),
  };
}
