import { implementationClassUid, implementationVersionName, writeFile } from '@callosum/dicom';

import { buildMeasurementReport, comprehensive3dSrStorage } from './measurement-report.js';
import type { JobResult } from '../result.js';
import { resultUids } from './result-uids.js';
import { buildSegmentation, segmentationStorage } from './segmentation.js';
import type { SourceSeries } from './source-series.js';

const implementation = { implementationClassUid, implementationVersionName } as const;

/** One DICOM object as it goes into the archive. */
export interface ResultDocument {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** A PS3.10 file, Explicit VR Little Endian. */
  readonly bytes: Uint8Array;
}

export interface ResultDocuments {
  /** Absent when the model made no mask, or an empty one. */
  readonly segmentation?: ResultDocument | undefined;
  readonly report: ResultDocument;
}

/**
 * The DICOM objects of a result. The same result over the same source gives the same bytes under the same UIDs.
 * @throws {UnpublishableResultError} when the result does not fit its source
 */
export function buildResultDocuments(result: JobResult, source: SourceSeries): ResultDocuments {
  const uids = resultUids(result, source);
  const segmentation = buildSegmentation(result, source, uids);
  const report = buildMeasurementReport(result, source, segmentation, uids);
  return {
    segmentation: segmentation && {
      sopClassUid: segmentationStorage,
      sopInstanceUid: segmentation.sopInstanceUid,
      seriesInstanceUid: segmentation.seriesInstanceUid,
      bytes: writeFile(
        { ...segmentation.dataset, '7FE00010': { vr: 'OB', bytes: segmentation.pixelData } },
        implementation,
      ),
    },
    report: {
      sopClassUid: comprehensive3dSrStorage,
      sopInstanceUid: report.sopInstanceUid,
      seriesInstanceUid: report.seriesInstanceUid,
      bytes: writeFile(report.dataset, implementation),
    },
  };
}
