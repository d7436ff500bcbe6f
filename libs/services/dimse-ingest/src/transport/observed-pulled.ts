import { statusText } from '@callosum/dimse';
import { errorCode } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';

import type { PulledObject } from '../application/pulled-objects.js';
import { DimseMetrics } from './dimse/metrics.js';

/** What SREs see of the objects of C-GET pulls: the same as of those that came by C-STORE, and of which pull they are. */
export const observedPulled =
  (logger: Logger, metrics = new DimseMetrics()) =>
  ({ pull, aet, associationId, sopInstanceUid, answer, byteCount, seconds, error }: PulledObject): void => {
    const status = statusText(answer.status);
    metrics.answered(aet, status, byteCount, seconds);
    if (error === undefined) return;
    const ids = { pull, aet, association: associationId, instance: sopInstanceUid };
    logger.warn({ ...ids, status, code: errorCode(error), err: error }, 'store.refused');
  };
