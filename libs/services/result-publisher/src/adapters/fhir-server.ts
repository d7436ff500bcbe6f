import { type Bundle, type FhirClient, identifierToken } from '@callosum/fhir';

import type { FhirSink } from '../application/ports.js';
import type { PatientResource, ResourceKey } from '../domain/fhir/patient-resources.js';

/** Identifiers of one search: its URL stays well under the 8 KiB servers take. */
const keysAtOnce = 40;

/** The FHIR server results are published to: the built-in gateway, or through it an EHR. */
export class FhirServer implements FhirSink {
  constructor(private readonly client: FhirClient) {}

  transact(bundle: Bundle, timeoutMs: number): Promise<Bundle> {
    return this.client.bundle(bundle, AbortSignal.timeout(timeoutMs));
  }

  async find(keys: readonly ResourceKey[]): Promise<readonly PatientResource[]> {
    const found: PatientResource[] = [];
    for (const type of new Set(keys.map(({ resourceType }) => resourceType))) {
      const ofType = keys.filter(({ resourceType }) => resourceType === type);
      for (let at = 0; at < ofType.length; at += keysAtOnce) {
        const identifier = ofType.slice(at, at + keysAtOnce).map(identifierToken);
        found.push(...(await this.client.searchAll<PatientResource>(type, { identifier })));
      }
    }
    return found;
  }
}
