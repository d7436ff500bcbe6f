import { errorCode } from '@callosum/kernel';
import { withSpan } from '@callosum/telemetry';
import { type Histogram, metrics } from '@opentelemetry/api';

import type { FhirSink, ResultArchive } from '../application/ports.js';

const service = 'result-publisher';

let made: Histogram | undefined;

/** Made with the first write, not when this file is loaded: a meter asked for before telemetry starts records nothing. */
function duration(): Histogram {
  made ??= metrics.getMeter(`callosum.${service}`).createHistogram('callosum.publish.duration', {
    description: 'Time one write to a sink took, by sink and outcome',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  });
  return made;
}

async function metered<T>(sink: 'archive' | 'fhir', work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  let outcome = 'ok';
  try {
    return await withSpan(service, `write ${sink}`, { attributes: { 'callosum.sink': sink } }, work);
  } catch (error) {
    outcome = errorCode(error);
    throw error;
  } finally {
    duration().record((performance.now() - startedAt) / 1000, { 'callosum.sink': sink, 'callosum.outcome': outcome });
  }
}

/** Spans and durations of both sinks. */
export const meteredArchive = (archive: ResultArchive): ResultArchive => ({
  store: (documents, correlationId) => metered('archive', () => archive.store(documents, correlationId)),
});

export const meteredFhir = (fhir: FhirSink): FhirSink => ({
  transact: (bundle, timeoutMs) => metered('fhir', () => fhir.transact(bundle, timeoutMs)),
  find: (keys) => fhir.find(keys),
});
