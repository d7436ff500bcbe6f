import { FhirClient, FhirRequestError, identifierToken, parseReference, type Patient } from '@callosum/fhir';

import type { PatientRecord, RecordPatient } from '../application/ports.js';
import type { PatientIdentifier } from '../domain/identifier.js';

/** Merges of merges: more in a row is a loop. */
const mergesMax = 5;
/** More Patients under one identifier than this say no more than two do. */
const candidatesMax = 20;

/** Patients of the FHIR server. */
export class FhirPatientRecord implements PatientRecord {
  constructor(private readonly fhir: FhirClient) {}

  async read(reference: string): Promise<RecordPatient | undefined> {
    const id = parseReference(reference)?.id;
    const patient = id ? await this.fhir.readIfPresent<Patient>('Patient', id) : undefined;
    return patient && this.afterMerges(patient);
  }

  async findByIdentifier(identifier: PatientIdentifier): Promise<readonly RecordPatient[]> {
    const bundle = await this.fhir.search('Patient', {
      identifier: identifierToken(identifier),
      _count: String(candidatesMax),
    });
    const found = new Map<string, RecordPatient>();
    for (const { resource } of bundle.entry ?? []) {
      if (resource?.resourceType !== 'Patient' || !resource.id) continue;
      const survivor = await this.afterMerges(resource as RecordPatient);
      if (survivor) found.set(survivor.id, survivor);
    }
    return [...found.values()];
  }

  async createUnlessKnown(patient: Patient, identifier: PatientIdentifier): Promise<RecordPatient | undefined> {
    try {
      const { resource } = await this.fhir.create<Patient>(patient, {
        ifNoneExist: { identifier: identifierToken(identifier) },
      });
      return resource;
    } catch (error) {
      // R4 3.1.0.8.1: several match the condition.
      if (error instanceof FhirRequestError && error.status === 412) return undefined;
      throw error;
    }
  }

  /** The Patient that replaced this one (Patient.link `replaced-by`), or itself. */
  private async afterMerges(patient: RecordPatient): Promise<RecordPatient | undefined> {
    let current = patient;
    for (let merges = 0; merges < mergesMax; merges++) {
      const next = current.link?.find(({ type }) => type === 'replaced-by')?.other?.reference;
      const id = parseReference(next)?.id;
      if (!id) return current;
      const replacement = await this.fhir.readIfPresent<Patient>('Patient', id);
      if (!replacement) return undefined;
      current = replacement;
    }
    return undefined;
  }
}
