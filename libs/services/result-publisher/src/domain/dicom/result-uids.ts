import { nameUid } from '@callosum/kernel';

import type { JobResult, Model } from '../result.js';
import type { SourceSeries } from './source-series.js';

/** Raised with every change of the bytes the builders write, so that other bytes never share a UID. */
export const builderVersion = '2';

export interface ResultUids {
  readonly segInstance: string;
  readonly segSeries: string;
  readonly srInstance: string;
  readonly srSeries: string;
  readonly dimensionOrganization: string;
  /** Tracking Unique Identifier of a measured thing within this result. */
  tracking(identifier: string): string;
}

/**
 * UIDs of everything a result becomes: names made of job, result digest, output, builder version and the digest of
 * what is copied from the source. The same result over the same source gives the same UIDs; a corrected patient
 * name gives others.
 */
export function resultUids(result: JobResult, source: SourceSeries): ResultUids {
  const uid = (output: string): string =>
    nameUid('result', result.jobId, result.resultDigest, output, builderVersion, source.digest);
  return {
    segInstance: uid('seg'),
    segSeries: uid('seg-series'),
    srInstance: uid('sr'),
    srSeries: uid('sr-series'),
    dimensionOrganization: uid('dimension-organization'),
    tracking: (identifier) => uid(`tracking ${identifier}`),
  };
}

/** Device Observer UID: one for each version of a model, everywhere and for ever. */
export const deviceUid = (model: Model): string => nameUid('model', model.vendor, model.modelId, model.version);
