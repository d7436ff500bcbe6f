import type { Bundle, FhirClient } from '@callosum/fhir';

import type { FhirSink } from '../application/ports.js';

/** The FHIR server results are published to: the built-in gateway, or through it an EHR. */
export class FhirServer implements FhirSink {
  constructor(private readonly client: FhirClient) {}

  transact(bundle: Bundle, timeoutMs: number): Promise<Bundle> {
    return this.client.bundle(bundle, AbortSignal.timeout(timeoutMs));
  }
}
