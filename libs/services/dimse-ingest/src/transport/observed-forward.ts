import { type Logger, count, withSpan } from '@callosum/telemetry';
import { SpanKind } from '@opentelemetry/api';

import type { ForwardBatch, ForwardItem } from '../application/forwarding-ports.js';
import type { ForwardEnd } from '../application/send-forwards.js';

/** The span, the count and, where a person must look, the log line of one instance on its way to a destination. */
export const observedForward =
  (logger: Logger) =>
  ({ destination }: ForwardBatch, item: ForwardItem, send: () => Promise<ForwardEnd>): Promise<ForwardEnd> => {
    const { studyInstanceUid, sopInstanceUid, traceparent } = item;
    const attributes = {
      'dicom.destination_ae': destination,
      'dicom.study_instance_uid': studyInstanceUid,
      'dicom.sop_instance_uid': sopInstanceUid,
    };
    return withSpan(
      'dimse-ingest',
      'dimse.forward',
      { kind: SpanKind.CLIENT, attributes, traceparent },
      async (span) => {
        const end = await send();
        span.setAttribute('callosum.outcome', end.end);
        count('callosum.forward.instances', 1, { 'dicom.destination_ae': destination, 'callosum.outcome': end.end });
        if (end.end === 'failed')
          logger.warn(
            { aet: destination, study: studyInstanceUid, instance: sopInstanceUid, code: end.code },
            'forward.failed',
          );
        return end;
      },
    );
  };
