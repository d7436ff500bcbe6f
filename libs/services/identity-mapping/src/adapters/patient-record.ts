import { FhirClient, FhirRequestError, identifierToken, parseReference, type Patient } from '@callosum/fhir';

import type { PatientRecord, RecordPatient } from '../application/ports.js';
import { BrokenMergeError } from '../domain/errors.js';
import type { PatientIdentifier } from '../domain/identifier.js';

/** Merges of merges: more in a row is a loop. */
const mergesMax = 5;
/** More Patients under one identifier than this say no more than two do. */
const candidatesMax = 20;

/** Patients of the FHIR server. */
export class FhirPatientRecord implements PatientRecord {
  private readonly base: string;

  /** @param base the server's own, as `fhir` addresses it: an absolute reference under it names a Patient here */
  constructor(
    private readonly fhir: FhirClient,
    base: string,
  ) {
    this.base = base.replace(/\/+$/, '');
  }

  async read(reference: string): Promise<RecordPatient | undefined> {
    const id = this.localId(reference);
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
      found.set(survivor.id, survivor);
    }
    return [...found.values()];
  }

  async createUnlessKnown(
    patient: Patient,
    identifier: PatientIdentifier,
  ): Promise<{ patient: RecordPatient; created: boolean } | undefined> {
    try {
      const { resource, created } = await this.fhir.create<Patient>(patient, {
        ifNoneExist: { identifier: identifierToken(identifier) },
      });
      return { patient: created ? resource : await this.afterMerges(resource), created };
    } catch (error) {
      // R4 3.1.0.8.1: several match the condition.
      if (error instanceof FhirRequestError && error.status === 412) return undefined;
      throw error;
    }
  }

  /**
   * The Patient that replaced this one (Patient.link `replaced-by`), or itself.
   * @throws {BrokenMergeError} a Patient that was merged away is nobody's any more: not following would name it still
   */
  private async afterMerges(patient: RecordPatient): Promise<RecordPatient> {
    let current = patient;
    for (let merges = 0; merges <= mergesMax; merges++) {
      const [link, ...others] = current.link?.filter(({ type }) => type === 'replaced-by') ?? [];
      if (!link) return current;
      const id = others.length === 0 ? this.localId(link.other?.reference) : undefined;
      const replacement = id ? await this.fhir.readIfPresent<Patient>('Patient', id) : undefined;
      if (!replacement) break;
      current = replacement;
    }
    throw new BrokenMergeError(`Patient/${patient.id}`);
  }

  /** Id of a Patient of this server; undefined for another server's, whose ids name other people here. */
  private localId(reference: string | undefined): string | undefined {
    const parsed = parseReference(reference);
    if (parsed?.resourceType !== 'Patient') return undefined;
    return parsed.base === undefined || parsed.base === this.base ? parsed.id : undefined;
  }
}
